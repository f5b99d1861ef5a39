#include "base/metrics.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/num.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>

enum metric_kind { COUNTER, GAUGE, HISTOGRAM };

/* Upper bounds, and how they are rendered: as seconds. */
static const struct {
    int64_t us;
    const char *label;
} bounds[] = {
    { 100, "le=\"0.0001\"" },     { 250, "le=\"0.00025\"" }, { 500, "le=\"0.0005\"" },
    { 1000, "le=\"0.001\"" },     { 2500, "le=\"0.0025\"" }, { 5000, "le=\"0.005\"" },
    { 10000, "le=\"0.01\"" },     { 25000, "le=\"0.025\"" }, { 50000, "le=\"0.05\"" },
    { 100000, "le=\"0.1\"" },     { 250000, "le=\"0.25\"" }, { 500000, "le=\"0.5\"" },
    { 1000000, "le=\"1\"" },      { 2500000, "le=\"2.5\"" }, { 5000000, "le=\"5\"" },
    { 10000000, "le=\"10\"" },    { 30000000, "le=\"30\"" }, { 60000000, "le=\"60\"" },
    { INT64_MAX, "le=\"+Inf\"" },
};
enum { BOUNDS = HZ_LEN(bounds), SHARDS = 4 };

static const struct {
    const char *name;
    enum metric_kind kind;
    const char *help;
} families[METRICS] = {
#define X(id, name, kind, help) [id] = { name, kind, help },
#include "base/metrics.def"
#undef X
};

struct shard {
    _Alignas(64) _Atomic int64_t value; /* a histogram: the sum in microseconds */
    _Atomic int64_t *buckets;           /* histograms only: BOUNDS */
};

struct series {
    struct shard shards[SHARDS];
    enum metric metric;
    char *labels;
    struct series *next; /* of the same family, in order of creation */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct map by_name;
static struct {
    struct series *first, *last;
    size_t count;
} lists[METRICS];

static unsigned my_shard(void)
{
    static _Atomic unsigned next;
    static _Thread_local unsigned mine;
    if (mine == 0)
        mine = 1 + atomic_fetch_add(&next, 1) % SHARDS;
    return mine - 1;
}

static void add_label(struct buf *out, const char *name, const char *value)
{
    if (out->len)
        buf_add_char(out, ',');
    buf_add(out, str_of(name));
    buf_add(out, STR("=\""));
    for (; *value; value++) {
        if (*value == '\n')
            buf_add(out, STR("\\n"));
        else if (*value == '"' || *value == '\\')
            buf_addf(out, "\\%c", *value);
        else
            buf_add_char(out, *value);
    }
    buf_add_char(out, '"');
}

static struct series *series_create(enum metric metric, struct str labels)
{
    struct series *s = aligned_alloc(64, sizeof(*s));
    HZ_ASSERT(s);
    memset(s, 0, sizeof(*s));
    s->metric = metric;
    s->labels = str_dup(labels);
    if (families[metric].kind == HISTOGRAM) {
        for (int i = 0; i < SHARDS; i++)
            s->shards[i].buckets = mem_zalloc(BOUNDS * sizeof(_Atomic int64_t));
    }
    if (lists[metric].last)
        lists[metric].last->next = s;
    else
        lists[metric].first = s;
    lists[metric].last = s;
    lists[metric].count++;
    return s;
}

static struct series *find_or_create(enum metric metric, struct str labels)
{
    struct buf key = { 0 };
    buf_addf(&key, "%d %.*s", (int)metric, STR_ARG(labels));
    struct series *s = map_get(&by_name, buf_str(&key));
    if (!s) {
        s = series_create(metric, labels);
        map_put(&by_name, buf_str(&key), s);
    }
    buf_fini(&key);
    return s;
}

struct series *metrics_series(enum metric metric, ...)
{
    struct buf labels = { 0 };
    va_list args;
    va_start(args, metric);
    for (const char *name; (name = va_arg(args, const char *));)
        add_label(&labels, name, va_arg(args, const char *));
    va_end(args);

    pthread_mutex_lock(&lock);
    bool is_full = lists[metric].count >= METRICS_SERIES_MAX;
    struct series *s = find_or_create(metric, is_full ? STR("overflow=\"true\"") : buf_str(&labels));
    pthread_mutex_unlock(&lock);
    buf_fini(&labels);
    return s;
}

void series_add(struct series *s, int64_t n)
{
    _Atomic int64_t *value = &s->shards[my_shard()].value;
    int64_t sum, before = atomic_fetch_add_explicit(value, n, memory_order_relaxed);
    if (__builtin_add_overflow(before, n, &sum))
        atomic_store_explicit(value, num_add_capped(before, n), memory_order_relaxed);
}

void series_observe(struct series *s, double seconds)
{
    struct shard *shard = &s->shards[my_shard()];
    int64_t us = (int64_t)(seconds * 1e6);
    int bucket = 0;
    while (us > bounds[bucket].us)
        bucket++;
    atomic_fetch_add_explicit(&shard->buckets[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&shard->value, us, memory_order_relaxed);
}

static int64_t bucket_sum(const struct series *s, int bucket)
{
    int64_t sum = 0;
    for (int i = 0; i < SHARDS; i++)
        sum += atomic_load_explicit(&s->shards[i].buckets[bucket], memory_order_relaxed);
    return sum;
}

static int64_t value_sum(const struct series *s)
{
    int64_t sum = 0;
    for (int i = 0; i < SHARDS; i++)
        sum = num_add_capped(sum, atomic_load_explicit(&s->shards[i].value, memory_order_relaxed));
    return sum;
}

int64_t series_value(const struct series *s)
{
    if (families[s->metric].kind != HISTOGRAM)
        return value_sum(s);
    int64_t count = 0;
    for (int i = 0; i < (int)BOUNDS; i++)
        count += bucket_sum(s, i);
    return count;
}

/* What stands before the value of a line. No printf here and below: a scrape is thousands of lines,
 * and what else its loop serves waits for it. */
static void add_name(struct buf *out, const struct series *s, struct str suffix, const char *bound)
{
    buf_add(out, str_of(families[s->metric].name));
    buf_add(out, suffix);
    if (s->labels[0] || bound[0]) {
        buf_add_char(out, '{');
        buf_add(out, str_of(s->labels));
        if (s->labels[0] && bound[0])
            buf_add_char(out, ',');
        buf_add(out, str_of(bound));
        buf_add_char(out, '}');
    }
    buf_add_char(out, ' ');
}

static void add_value(struct buf *out, int64_t value)
{
    buf_add_i64(out, value);
    buf_add_char(out, '\n');
}

static void add_seconds(struct buf *out, int64_t us)
{
    enum { US_PER_S = 1000000 };
    buf_add_i64(out, us / US_PER_S);
    buf_add_char(out, '.');
    for (int64_t digit = US_PER_S / 10; digit > 0; digit /= 10)
        buf_add_char(out, (char)('0' + us / digit % 10));
    buf_add_char(out, '\n');
}

static void render_histogram(struct buf *out, const struct series *s)
{
    int64_t count = 0;
    for (int i = 0; i < (int)BOUNDS; i++) {
        count += bucket_sum(s, i);
        add_name(out, s, STR("_bucket"), bounds[i].label);
        add_value(out, count);
    }
    add_name(out, s, STR("_sum"), "");
    add_seconds(out, value_sum(s));
    add_name(out, s, STR("_count"), "");
    add_value(out, count);
}

void metrics_render(struct buf *out)
{
    static const char *const kind_names[] = { "counter", "gauge", "histogram" };
    pthread_mutex_lock(&lock);
    for (int m = 0; m < METRICS; m++) {
        if (!lists[m].first)
            continue;
        buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", families[m].name, families[m].help,
                 families[m].name, kind_names[families[m].kind]);
        for (const struct series *s = lists[m].first; s; s = s->next) {
            if (families[m].kind == HISTOGRAM) {
                render_histogram(out, s);
            } else {
                add_name(out, s, STR_NONE, "");
                add_value(out, value_sum(s));
            }
        }
    }
    pthread_mutex_unlock(&lock);
}

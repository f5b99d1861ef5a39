#include "base/metrics.h"

#include "base/map.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>

enum metric_kind { COUNTER, GAUGE, HISTOGRAM };

/* Upper bounds in microseconds; the rendered bound is seconds. */
static const int64_t bounds_us[] = { 100,    250,    500,     1000,    2500,    5000,
                                     10000,  25000,  50000,   100000,  250000,  500000,
                                     1000000, 2500000, 5000000, 10000000, 30000000, 60000000 };
enum { BOUNDS = HZ_LEN(bounds_us), SHARDS = 4 };

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
    _Atomic int64_t *buckets;           /* histograms only: BOUNDS + 1 */
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
            s->shards[i].buckets = mem_zalloc((BOUNDS + 1) * sizeof(_Atomic int64_t));
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
    atomic_fetch_add_explicit(&s->shards[my_shard()].value, n, memory_order_relaxed);
}

void series_observe(struct series *s, double seconds)
{
    struct shard *shard = &s->shards[my_shard()];
    int64_t us = (int64_t)(seconds * 1e6);
    int bucket = 0;
    while (bucket < (int)BOUNDS && us > bounds_us[bucket])
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
        sum += atomic_load_explicit(&s->shards[i].value, memory_order_relaxed);
    return sum;
}

int64_t series_value(const struct series *s)
{
    if (families[s->metric].kind != HISTOGRAM)
        return value_sum(s);
    int64_t count = 0;
    for (int i = 0; i <= (int)BOUNDS; i++)
        count += bucket_sum(s, i);
    return count;
}

static void render_histogram(struct buf *out, const struct series *s)
{
    const char *name = families[s->metric].name;
    const char *comma = s->labels[0] ? "," : "";
    int64_t count = 0;
    for (int i = 0; i <= (int)BOUNDS; i++) {
        count += bucket_sum(s, i);
        buf_addf(out, "%s_bucket{%s%sle=\"", name, s->labels, comma);
        if (i < (int)BOUNDS)
            buf_addf(out, "%g", (double)bounds_us[i] / 1e6);
        else
            buf_add(out, STR("+Inf"));
        buf_addf(out, "\"} %lld\n", (long long)count);
    }
    const char *open = s->labels[0] ? "{" : "", *close = s->labels[0] ? "}" : "";
    buf_addf(out, "%s_sum%s%s%s %.6f\n", name, open, s->labels, close, (double)value_sum(s) / 1e6);
    buf_addf(out, "%s_count%s%s%s %lld\n", name, open, s->labels, close, (long long)count);
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
            if (families[m].kind == HISTOGRAM)
                render_histogram(out, s);
            else
                buf_addf(out, s->labels[0] ? "%s{%s} %lld\n" : "%s%s %lld\n", families[m].name,
                         s->labels, (long long)value_sum(s));
        }
    }
    pthread_mutex_unlock(&lock);
}

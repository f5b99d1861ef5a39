#include "ledger/verify.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/id.h"
#include "base/mem.h"

enum { PROBLEM_LINES = 20 };

void verify_problem(struct verify *v, const char *fmt, ...)
{
    char line[256];
    va_list args;
    if (++v->problems > PROBLEM_LINES)
        return;
    va_start(args, fmt);
    vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    buf_addf(v->out, "wrong: %s\n", line);
}

/* ---- names and writers ---- */

static enum err keep_name(void *arg, const struct value *columns, size_t count)
{
    struct verify *v = arg;
    HZ_ASSERT(count == 2 && columns[0].number > 0);
    size_t id = (size_t)columns[0].number;
    if (id >= v->digests_len) {
        size_t len = HZ_MAX(id + 1, v->digests_len * 2);
        v->digests = mem_realloc(v->digests, len * sizeof(*v->digests));
        memset(v->digests + v->digests_len, 0, (len - v->digests_len) * sizeof(*v->digests));
        v->digests_len = len;
    }
    v->digests[id] = chain_name_digest(columns[1].text);
    return OK;
}

static enum err keep_writer(void *arg, const struct value *columns, size_t count)
{
    struct verify *v = arg;
    HZ_ASSERT(count == 3);
    if (v->writers_len == v->writers_cap) {
        v->writers_cap = v->writers_cap ? v->writers_cap * 2 : 16;
        v->writers = mem_realloc(v->writers, v->writers_cap * sizeof(*v->writers));
    }
    v->writers[v->writers_len++] = (struct seen_writer) {
        .node = columns[0].number,
        .epoch = columns[1].number,
        .noted_seq = columns[2].number,
    };
    return OK;
}

/* ---- nodes ---- */

static enum err mark_node(void *arg, const struct value *columns, size_t count)
{
    bool *nodes = arg;
    (void)count;
    if (columns[0].number >= 0 && columns[0].number < ID_NODES)
        nodes[columns[0].number] = true;
    return OK;
}

struct rollup_check {
    struct verify *v;
    struct rollups *expected;
};

/* A true sum beyond 64 bits stands nowhere. What stands in its place is not compared: it is the end
 * of the range, or what versions that let sums wrap have left. */
static bool is_different(struct verify *v, const struct rollup *expected,
                         const struct rollup *found)
{
    bool is_different = false, is_beyond = false;
    for (size_t i = 0; i < ROLLUP_SUMS; i++) {
        is_beyond |= expected->is_capped[i];
        is_different |= !expected->is_capped[i] && expected->sums[i] != found->sums[i];
    }
    v->beyond_rollups += is_beyond;
    return is_different;
}

static enum err check_rollup(void *arg, const struct value *columns, size_t count)
{
    struct rollup_check *check = arg;
    struct rollup found;
    HZ_ASSERT(count == 1 + ROLLUP_KEYS + ROLLUP_SUMS);
    rollup_from_columns(&found, columns);
    struct rollup *expected = map_remove(&check->expected->by_key, rollup_key(found.key));
    if (!expected)
        verify_problem(check->v, "a rollup of hour %lld, account %lld stands for no row",
                       (long long)found.key[0], (long long)found.key[1]);
    else if (is_different(check->v, expected, &found))
        verify_problem(check->v, "the rollup of hour %lld, account %lld differs from its rows",
                       (long long)found.key[0], (long long)found.key[1]);
    mem_free(expected);
    return OK;
}

static enum err check_node(struct verify *v, int64_t node)
{
    struct rollups expected = { 0 };
    struct rollup_check check = { v, &expected };
    struct value params[] = { VAL_INT(node) };
    enum err err = verify_node(v, node, &expected);
    if (!err)
        err = store_run(v->store, SQL_ROLLUP_LIST, params, 1, check_rollup, &check);
    if (!err && expected.by_key.len)
        verify_problem(v, "%zu rollups of node %lld are missing", expected.by_key.len,
                       (long long)node);
    rollups_fini(&expected);
    return err;
}

static enum err check_nodes(struct verify *v)
{
    bool nodes[ID_NODES] = { false };
    enum err err = store_run(v->store, SQL_BATCH_NODES, NULL, 0, mark_node, nodes);
    if (!err)
        err = store_run(v->store, SQL_ROLLUP_NODES, NULL, 0, mark_node, nodes);
    for (size_t i = 0; i < v->writers_len; i++) {
        if (v->writers[i].noted_seq)
            nodes[v->writers[i].node % ID_NODES] = true;
    }
    for (int64_t node = 0; node < ID_NODES && !err; node++) {
        if (nodes[node])
            err = check_node(v, node);
    }
    for (size_t i = 0; i < v->writers_len && !err; i++) {
        const struct seen_writer *w = &v->writers[i];
        if (w->found_seq < w->noted_seq)
            verify_problem(v, "node %lld epoch %lld ends with batch %lld, but had written %lld",
                           (long long)w->node, (long long)w->epoch, (long long)w->found_seq,
                           (long long)w->noted_seq);
    }
    return err;
}

/* ---- the whole ---- */

static enum err keep_number(void *arg, const struct value *columns, size_t count)
{
    (void)count;
    *(int64_t *)arg = columns[0].number;
    return OK;
}

static enum err report_twice(void *arg, const struct value *columns, size_t count)
{
    HZ_ASSERT(count == 4);
    verify_problem(arg, "operation %lld, attempt %lld, kind %lld stands in %lld rows",
                   (long long)columns[0].number, (long long)columns[1].number,
                   (long long)columns[2].number, (long long)columns[3].number);
    return OK;
}

static enum err check_all(struct verify *v)
{
    int64_t rows = 0;
    enum err err = store_run(v->store, SQL_NAME_LIST, NULL, 0, keep_name, v);
    if (!err)
        err = store_run(v->store, SQL_WRITER_LIST, NULL, 0, keep_writer, v);
    if (!err)
        err = check_nodes(v);
    if (!err)
        err = store_run(v->store, SQL_TRANSFER_COUNT, NULL, 0, keep_number, &rows);
    if (!err && rows != v->rows)
        verify_problem(v, "%lld rows belong to no writer", (long long)(rows - v->rows));
    return err ? err : store_run(v->store, SQL_TRANSFER_TWICE, NULL, 0, report_twice, v);
}

static bool fits(__int128 sum)
{
    return sum >= INT64_MIN && sum <= INT64_MAX;
}

static void add_sum(struct buf *out, __int128 sum)
{
    const int64_t part = 1000000000000000000;
    if (fits(sum))
        buf_add_i64(out, (int64_t)sum);
    else
        buf_addf(out, "%lld%018lld", (long long)(sum / part), llabs((long long)(sum % part)));
}

static void add_usd(struct buf *out, __int128 nusd)
{
    const int64_t nusd_per_usd = 1000000000;
    buf_add_char(out, '$');
    if (fits(nusd)) {
        buf_add_usd(out, (int64_t)nusd);
        return;
    }
    add_sum(out, nusd / nusd_per_usd);
    buf_addf(out, ".%09lld", llabs((long long)(nusd % nusd_per_usd)));
}

/* What is beyond the numbers that a database can hold, or that a call can use. */
static void report_beyond(const struct verify *v)
{
    const struct {
        const char *name;
        __int128 sum;
    } sums[] = {
        { "settled amounts", v->settled_nusd }, { "unknown amounts", v->unknown_nusd },
        { "input tokens", v->input_tokens },    { "cached tokens", v->cached_tokens },
        { "output tokens", v->output_tokens },  { "reasoning tokens", v->reasoning_tokens },
    };
    for (size_t i = 0; i < HZ_LEN(sums); i++) {
        if (!fits(sums[i].sum))
            buf_addf(v->out,
                     "beyond:   the sum of %s does not fit into 64 bits: above it is exact, in SQL "
                     "it fails\n",
                     sums[i].name);
    }
    if (v->beyond_rollups)
        buf_addf(v->out,
                 "beyond:   %lld rollups hold a sum that does not fit: only their rows tell it\n",
                 (long long)v->beyond_rollups);
    if (v->absurd_rows)
        buf_addf(
            v->out,
            "beyond:   %lld rows charge more than %lld tokens of a class, the first is row %lld\n",
            (long long)v->absurd_rows, (long long)USAGE_CLASS_MOST, (long long)v->first_absurd_id);
}

static void report(const struct verify *v)
{
    struct buf *out = v->out;
    buf_addf(out, "rows:     %lld in %lld batches of %zu writers\n", (long long)v->rows,
             (long long)v->batches, v->writers_len);
    buf_addf(out, "settled:  %lld attempts, ", (long long)v->settles);
    add_usd(out, v->settled_nusd);
    buf_addf(out, "\nunknown:  %lld of them, charged at their estimate: ", (long long)v->unknowns);
    add_usd(out, v->unknown_nusd);
    buf_addf(out, "\nunpriced: %lld of them\n", (long long)v->unpriced);
    buf_add(out, STR("tokens:   "));
    add_sum(out, v->input_tokens);
    buf_add(out, STR(" input ("));
    add_sum(out, v->cached_tokens);
    buf_add(out, STR(" cached), "));
    add_sum(out, v->output_tokens);
    buf_add(out, STR(" output ("));
    add_sum(out, v->reasoning_tokens);
    buf_add(out, STR(" reasoning)\n"));
    report_beyond(v);
    if (v->problems > PROBLEM_LINES)
        buf_addf(out, "... and %lld problems more\n", (long long)(v->problems - PROBLEM_LINES));
    if (v->problems)
        buf_addf(out, "NOT SOUND: %lld problems\n", (long long)v->problems);
    else
        buf_addf(
            out,
            "sound:    every row is sealed by its chain, none stands twice, rollups equal rows\n");
}

enum err ledger_verify(struct str store_url, struct buf *out, bool *is_sound)
{
    struct verify v = { .out = out, .chain = chain_create() };
    struct store_options options = { .url = store_url, .is_read_only = true };
    struct fail fail = { 0 };
    *is_sound = false;
    enum err err = store_open(&options, &v.store, &fail);
    if (err) {
        buf_addf(out, "%s\n", fail.text);
        goto out;
    }
    err = store_begin(v.store);
    if (!err)
        err = check_all(&v);
    store_rollback(v.store);
    if (err) {
        buf_addf(out, "the ledger cannot be read: %s\n", store_error(v.store));
        goto out;
    }
    report(&v);
    *is_sound = v.problems == 0;
    err = v.problems ? ERR_STORE : OK;
out:
    store_close(v.store);
    chain_destroy(v.chain);
    mem_free(v.digests);
    mem_free(v.writers);
    return err;
}

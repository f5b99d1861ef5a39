#include "ledger/writer.h"

#include <time.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/planted.h"

enum { CHUNK_ROWS = 64, TRIES_MAX = 4, BEAT_MS = 1000, IDLE_BEAT_MS = 10000 };
enum { NODE_TRIES = 20, NODE_TRY_MS = 10 };

/* What the database knows of a name. */
struct stored_name {
    int64_t id; /* 0: nothing yet */
    uint64_t digest;
};

void writer_init(struct writer *w, struct store *store, struct names *names, unsigned node)
{
    *w = (struct writer) {
        .store = store,
        .names = names,
        .node = node,
        .chain = chain_create(),
        .values = mem_alloc(CHUNK_ROWS * COLUMNS * sizeof(struct value)),
        .rows = metrics_series(METRIC_LEDGER_ROWS, NULL),
        .repeated = metrics_series(METRIC_LEDGER_REPEATED, NULL),
        .batches = metrics_series(METRIC_LEDGER_BATCHES, NULL),
        .seconds = metrics_series(METRIC_LEDGER_COMMIT, NULL),
    };
}

void writer_fini(struct writer *w)
{
    rollups_fini(&w->rollups);
    chain_destroy(w->chain);
    mem_free(w->values);
    mem_free(w->stored);
}

/* ---- what the database says ---- */

static enum err keep_number(void *arg, const struct value *columns, size_t count)
{
    (void)count;
    *(int64_t *)arg = columns[0].number;
    return OK;
}

static enum err number_of(struct writer *w, enum statement id, int64_t *out, int64_t param)
{
    struct value params[] = { VAL_INT(param) };
    bool takes_one = id != SQL_TRANSFER_LAST;
    return store_run(w->store, id, params, takes_one, keep_number, out);
}

static enum err try_node(struct writer *w, unsigned node, bool *is_taken)
{
    int64_t answer = 0;
    enum err err = number_of(w, SQL_WRITER_LOCK, &answer, node);
    *is_taken = answer != 0;
    return err;
}

/* The wanted number or the next one that no living process has: ids of two writers with one number
 * would collide. SQLite has one writer only. */
static enum err take_node(struct writer *w, unsigned *node)
{
    const struct timespec pause = { .tv_nsec = NODE_TRY_MS * NS_PER_MS };
    bool is_taken = false;
    *node = w->node;
    enum err err = try_node(w, *node, &is_taken);
    /* At the start the process before may have been killed a moment ago. */
    for (int i = 0; i < NODE_TRIES && !err && !is_taken && !w->epoch; i++) {
        nanosleep(&pause, NULL);
        err = try_node(w, *node, &is_taken);
    }
    for (unsigned i = 1; i < ID_NODES && !err && !is_taken; i++) {
        *node = (w->node + i) % ID_NODES;
        err = try_node(w, *node, &is_taken);
    }
    if (!err && !is_taken)
        log_error(NULL, "ledger_nodes_exhausted", LOG_INT("nodes", ID_NODES));
    return err || !is_taken ? ERR_STORE : OK;
}

static enum err take_epoch(struct writer *w, unsigned node)
{
    int64_t latest = 0;
    enum err err = number_of(w, SQL_WRITER_EPOCH, &latest, node);
    if (err || (node == w->node && w->epoch && latest == w->epoch))
        return err;
    struct value params[] = { VAL_INT(node), VAL_INT(latest + 1), VAL_INT(clock_wall_ms()) };
    err = store_run(w->store, SQL_WRITER_ADD, params, HZ_LEN(params), NULL, NULL);
    if (err)
        return ERR_STORE;
    w->node = node;
    w->epoch = latest + 1;
    return OK;
}

struct chain_end {
    struct writer *writer;
    bool is_found;
};

static enum err keep_chain_end(void *arg, const struct value *columns, size_t count)
{
    struct chain_end *end = arg;
    struct writer *w = end->writer;
    if (count != 3 || columns[2].text.len != HASH_BYTES)
        return ERR_STORE;
    end->is_found = true;
    w->seq = columns[0].number == w->epoch ? columns[1].number : 0;
    memcpy(w->hash, columns[2].text.at, HASH_BYTES);
    return OK;
}

static enum err fold_row(void *arg, const struct value *columns, size_t count)
{
    HZ_ASSERT(count == COLUMNS);
    rollups_fold(arg, columns);
    return OK;
}

static enum err fold_rest(struct writer *w)
{
    int64_t last_id = 0;
    enum err err = number_of(w, SQL_ROLLUP_STATE, &last_id, w->node);
    if (err)
        return err;
    w->rollups.last_id = last_id;
    struct value range[] = { VAL_INT(w->node), VAL_INT(last_id), VAL_INT(INT64_MAX) };
    return store_run(w->store, SQL_TRANSFER_RANGE, range, HZ_LEN(range), fold_row, &w->rollups);
}

enum err writer_load(struct writer *w)
{
    unsigned node;
    int64_t last_id = 0;
    struct chain_end end = { .writer = w };
    store_rollback(w->store);
    rollups_clear(&w->rollups);
    w->rollups.last_id = 0;
    memset(w->hash, 0, sizeof(w->hash));
    w->seq = 0;
    w->stored_len = 0; /* what a transaction added may be gone */

    enum err err = take_node(w, &node);
    if (!err)
        err = take_epoch(w, node);
    if (!err)
        err = number_of(w, SQL_TRANSFER_LAST, &last_id, 0);
    struct value params[] = { VAL_INT(w->node) };
    if (!err)
        err = store_run(w->store, SQL_BATCH_LAST, params, 1, keep_chain_end, &end);
    /* Without a batch there is no row: a new node need not search the others' rows for its own. */
    if (!err && end.is_found)
        err = fold_rest(w);
    if (err)
        return err;
    id_set_node(w->node);
    id_set_floor(last_id);
    w->is_loaded = true;
    w->has_news = w->rollups.by_key.len > 0;
    return OK;
}

/* ---- names ---- */

static enum err store_name(struct writer *w, uint32_t id)
{
    struct str text;
    names_texts(w->names, &id, &text, 1);
    struct stored_name *stored = &w->stored[id];
    struct value params[] = { VAL_TEXT(text) };
    enum err err = store_run(w->store, SQL_NAME_FIND, params, 1, keep_number, &stored->id);
    if (err || stored->id)
        goto out;
    err = store_run(w->store, SQL_NAME_ADD, params, 1, NULL, NULL);
    if (!err)
        err = store_run(w->store, SQL_NAME_FIND, params, 1, keep_number, &stored->id);
    if (!err && !stored->id)
        err = ERR_STORE;
out:
    stored->digest = chain_name_digest(text);
    return err;
}

/* Before the transaction: two writers that add the same names within theirs could wait for each
 * other. */
static enum err store_names(struct writer *w, struct record *const *rows, size_t count)
{
    uint32_t len = names_count(w->names);
    if (len > w->stored_len) {
        w->stored = mem_realloc(w->stored, len * sizeof(*w->stored));
        memset(w->stored + w->stored_len, 0, (len - w->stored_len) * sizeof(*w->stored));
        w->stored_len = len;
    }
    for (size_t i = 0; i < count; i++) {
        const struct transfer *row = &rows[i]->row;
        const uint32_t ids[] = { row->debit_account, row->credit_account, row->key,
                                 row->feature,       row->provider,       row->deployment,
                                 row->model,         row->region,         row->error };
        for (size_t k = 0; k < HZ_LEN(ids); k++) {
            HZ_ASSERT(ids[k] < len);
            enum err err = ids[k] && !w->stored[ids[k]].id ? store_name(w, ids[k]) : OK;
            if (err)
                return err;
        }
    }
    return OK;
}

/* ---- a batch ---- */

static void fill_values(struct writer *w, const struct transfer *row, struct value values[COLUMNS])
{
    int64_t numbers[COL_NUMBERS];
    uint64_t digests[ROW_NAMES];
    row_numbers(row, numbers);
    numbers[COL_ID] = id_next();
    for (size_t i = 0; i < ROW_NAMES; i++) {
        const struct stored_name *stored = &w->stored[numbers[name_columns[i]]];
        numbers[name_columns[i]] = stored->id;
        digests[i] = stored->digest;
    }
    for (size_t i = 0; i < COL_NUMBERS; i++)
        values[i] = VAL_INT(numbers[i]);
    values[COL_CORRELATION] = row->correlation_id.at ? VAL_TEXT(row->correlation_id) : VAL_NULL;
    chain_add(w->chain, values, digests);
    rollups_fold(&w->rollups, values);
}

static enum err add_rows(struct writer *w, struct record *const *rows, size_t count,
                         int64_t *first_id)
{
    enum err err = OK;
    for (size_t done = 0; done < count && !err;) {
        size_t chunk = HZ_MIN(count - done, (size_t)CHUNK_ROWS);
        for (size_t i = 0; i < chunk; i++)
            fill_values(w, &rows[done + i]->row, w->values + i * COLUMNS);
        if (done == 0)
            *first_id = w->values[COL_ID].number;
        err = store_run_many(w->store, SQL_TRANSFER_ADD, w->values, COLUMNS, chunk);
        done += chunk;
    }
    return err;
}

static enum err seal(struct writer *w, int64_t first_id, size_t count)
{
    unsigned char hash[HASH_BYTES];
    chain_end(w->chain, hash);
    struct value params[] = {
        VAL_INT(w->node),
        VAL_INT(w->epoch),
        VAL_INT(w->seq + 1),
        VAL_INT(first_id),
        VAL_INT(w->rollups.last_id),
        VAL_INT(count),
        VAL_BLOB(str_make((const char *)w->hash, HASH_BYTES)),
        VAL_BLOB(str_make((const char *)hash, HASH_BYTES)),
    };
    enum err err = store_run_many(w->store, SQL_BATCH_ADD, params, HZ_LEN(params), 1);
    if (!HZ_PLANTED(CHAIN_NOT_EXTENDED))
        memcpy(w->hash, hash, HASH_BYTES);
    w->seq++;
    return err;
}

static enum err add_beat(struct writer *w)
{
    struct value params[] = { VAL_INT(w->node), VAL_INT(w->epoch), VAL_INT(clock_wall_ms()),
                              VAL_INT(w->seq) };
    enum err err = w->has_news ? rollups_write(&w->rollups, w->store, w->node) : OK;
    if (!err)
        err = store_run_many(w->store, SQL_WRITER_BEAT, params, HZ_LEN(params), 1);
    w->beat_ns = clock_mono_ns();
    w->has_news = false;
    return err;
}

/* Changes what is kept in memory as it goes; after a failure writer_load sets it right. */
static enum err write_once(struct writer *w, struct record *const *rows, size_t count)
{
    int64_t started_ns = clock_mono_ns(), first_id = 0;
    enum err err = store_names(w, rows, count);
    if (!err)
        err = store_begin(w->store);
    if (err)
        return err;
    if (started_ns >= writer_due_ns(w))
        err = add_beat(w);
    chain_begin(w->chain, w->hash);
    if (!err)
        err = add_rows(w, rows, count, &first_id);
    if (!err)
        err = seal(w, first_id, count);
    if (!err && !HZ_PLANTED(ANSWER_BEFORE_COMMIT))
        err = store_commit(w->store);
    if (err)
        return err;
    w->has_news = true;
    series_add(w->rows, (int64_t)count);
    series_add(w->batches, 1);
    series_observe(w->seconds, (double)(clock_mono_ns() - started_ns) / (double)NS_PER_S);
    return OK;
}

static bool is_same_attempt(const struct transfer *a, const struct transfer *b)
{
    return a->operation_id == b->operation_id && a->attempt == b->attempt && a->kind == b->kind;
}

static enum err mark(void *arg, const struct value *columns, size_t count)
{
    (void)columns, (void)count;
    *(bool *)arg = true;
    return OK;
}

/* Keeps the rows that are neither in the database nor earlier in the batch. */
static enum err drop_known(struct writer *w, struct record **rows, size_t *count)
{
    size_t kept = 0;
    for (size_t i = 0; i < *count; i++) {
        const struct transfer *row = &rows[i]->row;
        bool is_known = false;
        struct value params[] = { VAL_INT(row->operation_id), VAL_INT(row->attempt),
                                  VAL_INT(row->kind) };
        enum err err =
            store_run(w->store, SQL_TRANSFER_EXISTS, params, HZ_LEN(params), mark, &is_known);
        if (err)
            return err;
        for (size_t k = 0; k < kept && !is_known; k++)
            is_known = is_same_attempt(row, &rows[k]->row);
        if (!is_known)
            rows[kept++] = rows[i];
    }
    series_add(w->repeated, (int64_t)(*count - kept));
    *count = kept;
    return OK;
}

enum err writer_write(struct writer *w, struct record **rows, size_t count, size_t *added)
{
    enum err err = w->is_loaded ? OK : writer_load(w);
    for (int i = 0; i < TRIES_MAX && !err && count; i++) {
        err = write_once(w, rows, count);
        if (!err)
            break;
        w->is_loaded = false;
        if (err != ERR_EXISTS)
            break;
        err = writer_load(w);
        if (!err)
            err = drop_known(w, rows, &count);
        if (!err && i == TRIES_MAX - 1 && count)
            err = ERR_STORE;
    }
    if (err) {
        store_rollback(w->store);
        w->is_loaded = false;
        return ERR_STORE;
    }
    if (added)
        *added = count;
    return OK;
}

/* ---- rollups and heartbeat ---- */

int64_t writer_due_ns(const struct writer *w)
{
    return w->beat_ns + (w->has_news ? BEAT_MS : IDLE_BEAT_MS) * NS_PER_MS;
}

enum err writer_beat(struct writer *w)
{
    enum err err = w->is_loaded ? OK : writer_load(w);
    if (!err)
        err = store_begin(w->store);
    if (!err)
        err = add_beat(w);
    if (!err)
        err = store_commit(w->store);
    if (err) {
        store_rollback(w->store);
        w->is_loaded = false;
    }
    return err ? ERR_STORE : OK;
}

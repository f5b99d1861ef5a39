#include "base/mem.h"
#include "ledger/verify.h"

enum { PAGE_BATCHES = 256 };

struct batch {
    int64_t epoch, seq, first_id, last_id, row_count;
    unsigned char before[HASH_BYTES], hash[HASH_BYTES];
};

struct walk {
    struct verify *v;
    int64_t node;
    int64_t rolled_id; /* rows up to here are in the rollups */
    struct rollups *expected;

    /* the chain so far */
    int64_t epoch, seq, last_id;
    unsigned char hash[HASH_BYTES];

    /* the page of batches under way */
    size_t len, at;
    int64_t rows_in_batch;
    bool is_begun;
    struct batch batches[PAGE_BATCHES];
};

static long long ll(int64_t n)
{
    return n;
}

static enum err keep_number(void *arg, const struct value *columns, size_t count)
{
    (void)count;
    *(int64_t *)arg = columns[0].number;
    return OK;
}

/* ---- batches ---- */

static bool take_hash(struct str bytes, unsigned char out[HASH_BYTES])
{
    if (bytes.len == HASH_BYTES)
        memcpy(out, bytes.at, HASH_BYTES);
    return bytes.len == HASH_BYTES;
}

static void note_writer(struct walk *w, const struct batch *b)
{
    struct verify *v = w->v;
    for (size_t i = 0; i < v->writers_len; i++) {
        if (v->writers[i].node == w->node && v->writers[i].epoch == b->epoch) {
            v->writers[i].found_seq = b->seq;
            return;
        }
    }
    verify_problem(v, "batch %lld of node %lld: no writer has epoch %lld", ll(b->seq), ll(w->node),
                   ll(b->epoch));
}

static void check_link(struct walk *w, const struct batch *b)
{
    int64_t expected = b->epoch == w->epoch ? w->seq + 1 : 1;
    if (b->seq != expected)
        verify_problem(
            w->v, "node %lld epoch %lld: batch %lld follows, expected %lld: batches are missing",
            ll(w->node), ll(b->epoch), ll(b->seq), ll(expected));
    else if (memcmp(b->before, w->hash, HASH_BYTES) != 0)
        verify_problem(w->v, "batch %lld of node %lld epoch %lld does not continue the chain",
                       ll(b->seq), ll(w->node), ll(b->epoch));
    if (b->first_id > b->last_id || b->first_id <= w->last_id)
        verify_problem(w->v, "batch %lld of node %lld epoch %lld overlaps another", ll(b->seq),
                       ll(w->node), ll(b->epoch));
    if (b->epoch != w->epoch || b->seq != w->seq)
        note_writer(w, b);
    w->epoch = b->epoch;
    w->seq = b->seq;
    w->last_id = b->last_id;
    memcpy(w->hash, b->hash, HASH_BYTES);
}

static enum err keep_batch(void *arg, const struct value *columns, size_t count)
{
    struct walk *w = arg;
    HZ_ASSERT(count == 7 && w->len < PAGE_BATCHES);
    struct batch *b = &w->batches[w->len++];
    *b = (struct batch) {
        .epoch = columns[0].number,
        .seq = columns[1].number,
        .first_id = columns[2].number,
        .last_id = columns[3].number,
        .row_count = columns[4].number,
    };
    if (!take_hash(columns[5].text, b->before) || !take_hash(columns[6].text, b->hash))
        verify_problem(w->v, "batch %lld of node %lld has no proper hash", ll(b->seq), ll(w->node));
    w->v->batches++;
    check_link(w, b);
    return OK;
}

static void begin_batch(struct walk *w)
{
    if (!w->is_begun)
        chain_begin(w->v->chain, w->batches[w->at].before);
    w->is_begun = true;
}

static void end_batch(struct walk *w)
{
    const struct batch *b = &w->batches[w->at];
    unsigned char hash[HASH_BYTES];
    begin_batch(w);
    chain_end(w->v->chain, hash);
    if (w->rows_in_batch != b->row_count)
        verify_problem(
            w->v, "batch %lld of node %lld epoch %lld has %lld rows, was written with %lld",
            ll(b->seq), ll(w->node), ll(b->epoch), ll(w->rows_in_batch), ll(b->row_count));
    else if (memcmp(hash, b->hash, HASH_BYTES) != 0)
        verify_problem(
            w->v,
            "batch %lld of node %lld epoch %lld: a row among %lld..%lld was changed since it was "
            "written",
            ll(b->seq), ll(w->node), ll(b->epoch), ll(b->first_id), ll(b->last_id));
    w->is_begun = false;
    w->rows_in_batch = 0;
    w->at++;
}

/* ---- rows ---- */

static void count_row(struct verify *v, const struct value *columns)
{
    int64_t amount_nusd = columns[COL_AMOUNT].number;
    v->rows++;
    if (columns[COL_KIND].number != TRANSFER_SETTLE)
        return;
    if (amount_nusd < 0)
        verify_problem(v, "row %lld settles a negative amount: %lld", ll(columns[COL_ID].number),
                       ll(amount_nusd));
    v->settles++;
    v->settled_nusd += amount_nusd;
    if (columns[COL_USAGE_SOURCE].number == USAGE_UNKNOWN) {
        v->unknowns++;
        v->unknown_nusd += amount_nusd;
    }
    v->unpriced += columns[COL_IS_UNPRICED].number;
    v->input_tokens += columns[COL_INPUT].number;
    v->cached_tokens += columns[COL_CACHED].number;
    v->output_tokens += columns[COL_OUTPUT].number;
    v->reasoning_tokens += columns[COL_REASONING].number;
    if (HZ_MAX(columns[COL_INPUT].number, columns[COL_OUTPUT].number) <= USAGE_CLASS_MOST)
        return;
    if (v->absurd_rows++ == 0)
        v->first_absurd_id = columns[COL_ID].number;
}

static void digests_of(struct verify *v, const struct value *columns, uint64_t out[ROW_NAMES])
{
    for (size_t i = 0; i < ROW_NAMES; i++) {
        int64_t name = columns[name_columns[i]].number;
        bool is_known = name > 0 && (uint64_t)name < v->digests_len && v->digests[name];
        out[i] = is_known ? v->digests[name] : 0;
        if (name && !is_known)
            verify_problem(v, "row %lld: name %lld does not exist", ll(columns[COL_ID].number),
                           ll(name));
    }
}

static enum err on_row(void *arg, const struct value *columns, size_t count)
{
    struct walk *w = arg;
    uint64_t digests[ROW_NAMES];
    HZ_ASSERT(count == COLUMNS);
    int64_t id = columns[COL_ID].number;
    count_row(w->v, columns);
    if (id <= w->rolled_id)
        rollups_fold(w->expected, columns);
    while (w->at < w->len && id > w->batches[w->at].last_id)
        end_batch(w);
    if (w->at == w->len || id < w->batches[w->at].first_id) {
        verify_problem(w->v, "row %lld of node %lld belongs to no batch", ll(id), ll(w->node));
        return OK;
    }
    digests_of(w->v, columns, digests);
    begin_batch(w);
    chain_add(w->v->chain, columns, digests);
    w->rows_in_batch++;
    return OK;
}

static enum err walk_pages(struct walk *w)
{
    enum err err = OK;
    int64_t from_id = INT64_MIN;
    bool is_last = false;
    while (!err && !is_last) {
        struct value page[] = { VAL_INT(w->node), VAL_INT(w->epoch), VAL_INT(w->seq),
                                VAL_INT(PAGE_BATCHES) };
        w->len = w->at = 0;
        err = store_run(w->v->store, SQL_BATCH_PAGE, page, HZ_LEN(page), keep_batch, w);
        is_last = w->len < PAGE_BATCHES;
        int64_t to_id = is_last ? INT64_MAX : w->last_id;
        struct value range[] = { VAL_INT(w->node), VAL_INT(from_id), VAL_INT(to_id) };
        if (!err)
            err = store_run(w->v->store, SQL_TRANSFER_RANGE, range, HZ_LEN(range), on_row, w);
        while (!err && w->at < w->len)
            end_batch(w);
        from_id = to_id;
    }
    return err;
}

enum err verify_node(struct verify *v, int64_t node, struct rollups *expected)
{
    struct walk *w = MEM_NEW(struct walk);
    w->v = v;
    w->node = node;
    w->expected = expected;
    struct value params[] = { VAL_INT(node) };
    enum err err = store_run(v->store, SQL_ROLLUP_STATE, params, 1, keep_number, &w->rolled_id);
    if (!err)
        err = walk_pages(w);
    mem_free(w);
    return err;
}

#include "base/mem.h"
#include "base/num.h"
#include "base/planted.h"
#include "ledger/writer.h"

enum { MS_PER_HOUR = 3600 * 1000, ROLLUP_COLUMNS = 1 + ROLLUP_KEYS + ROLLUP_SUMS };

static const enum column summed[] = { COL_INPUT,  COL_CACHED,    COL_CACHE_WRITE,
                                      COL_OUTPUT, COL_REASONING, COL_AMOUNT };
static const enum column keyed[] = { COL_DEBIT, COL_KEY,        COL_FEATURE,
                                     COL_MODEL, COL_DEPLOYMENT, COL_STATUS };

struct str rollup_key(const int64_t key[ROLLUP_KEYS])
{
    return str_make((const char *)key, ROLLUP_KEYS * sizeof(*key));
}

void rollups_clear(struct rollups *r)
{
    for (struct map_entry *e = NULL; (e = map_next(&r->by_key, e));)
        mem_free(e->value);
    map_fini(&r->by_key);
}

void rollups_fini(struct rollups *r)
{
    rollups_clear(r);
}

static void add_to(struct rollup *rollup, size_t sum, int64_t number)
{
    int64_t ignored;
    rollup->is_capped[sum] |= __builtin_add_overflow(rollup->sums[sum], number, &ignored);
    rollup->sums[sum] = num_add_capped(rollup->sums[sum], number);
}

void rollups_fold(struct rollups *r, const struct value columns[COLUMNS])
{
    int64_t key[ROLLUP_KEYS];
    r->last_id = HZ_MAX(r->last_id, columns[COL_ID].number);
    /* A hold is not spent money: its settle row will be. */
    if (columns[COL_KIND].number == TRANSFER_HOLD)
        return;
    key[0] = columns[COL_STARTED].number / MS_PER_HOUR;
    for (size_t i = 0; i < HZ_LEN(keyed); i++)
        key[1 + i] = columns[keyed[i]].number;
    struct rollup *rollup = map_get(&r->by_key, rollup_key(key));
    if (!rollup) {
        rollup = MEM_NEW(struct rollup);
        memcpy(rollup->key, key, sizeof(key));
        map_put(&r->by_key, rollup_key(key), rollup);
    }
    rollup->sums[0] += columns[COL_KIND].number == TRANSFER_SETTLE;
    for (size_t i = 0; i < HZ_LEN(summed); i++)
        add_to(rollup, 1 + i, columns[summed[i]].number);
}

enum err rollups_write(struct rollups *r, struct store *s, unsigned node)
{
    struct value *values = mem_alloc((r->by_key.len * ROLLUP_COLUMNS + 1) * sizeof(*values));
    struct value *at = values;
    for (struct map_entry *e = NULL; (e = map_next(&r->by_key, e));) {
        const struct rollup *rollup = e->value;
        *at++ = VAL_INT(node);
        for (size_t i = 0; i < ROLLUP_KEYS; i++)
            *at++ = VAL_INT(rollup->key[i]);
        for (size_t i = 0; i < ROLLUP_SUMS; i++)
            *at++ = VAL_INT(rollup->sums[i]);
    }
    struct value state[] = { VAL_INT(node), VAL_INT(r->last_id) };
    enum err err = store_run_many(s, SQL_ROLLUP_ADD, values, ROLLUP_COLUMNS, r->by_key.len);
    if (!err && !HZ_PLANTED(ROLLUP_WITHOUT_LAST_ID))
        err = store_run_many(s, SQL_ROLLUP_STATE_SET, state, HZ_LEN(state), 1);
    mem_free(values);
    rollups_clear(r);
    return err;
}

void rollup_from_columns(struct rollup *out, const struct value *columns)
{
    *out = (struct rollup) { 0 };
    for (size_t i = 0; i < ROLLUP_KEYS; i++)
        out->key[i] = columns[1 + i].number;
    for (size_t i = 0; i < ROLLUP_SUMS; i++)
        out->sums[i] = columns[1 + ROLLUP_KEYS + i].number;
}

#include "ledger/key_text.h"

#include "base/mem.h"

enum { COLUMNS = 8 };

struct loading {
    struct key_table *table;
    size_t cap;
};

static enum err read_version(void *arg, const struct value *columns, size_t count)
{
    HZ_ASSERT(count == 1);
    *(int64_t *)arg = columns[0].number;
    return OK;
}

static enum err read_key(void *arg, const struct value *columns, size_t count)
{
    struct loading *l = arg;
    struct key_table *table = l->table;
    HZ_ASSERT(count == COLUMNS);
    if (columns[0].text.len != KEY_ID_LEN || columns[7].text.len != KEY_HASH_BYTES ||
        columns[3].number < 0 || columns[3].number >= TIERS)
        return ERR_STORE;
    if (table->len == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 64;
        table->keys = mem_realloc(table->keys, l->cap * sizeof(*table->keys));
    }
    struct api_key *key = &table->keys[table->len++];
    *key = (struct api_key) {
        .id = arena_str(&table->arena, columns[0].text),
        .name = arena_str(&table->arena, columns[1].text),
        .account = arena_str(&table->arena, columns[2].text),
        .tier = (enum tier)columns[3].number,
        .scopes = (unsigned)columns[4].number,
        .created_ms = columns[5].number,
        .revoked_ms = columns[6].number,
    };
    memcpy(key->hash, columns[7].text.at, KEY_HASH_BYTES);
    return OK;
}

/* At most half full, so that a look-up ends soon. A slot holds position + 1. */
static void index_keys(struct key_table *table)
{
    size_t cap = 16;
    while (cap < table->len * 2)
        cap *= 2;
    table->slots = mem_zalloc(cap * sizeof(*table->slots));
    table->slots_cap = cap;
    for (size_t i = 0; i < table->len; i++) {
        size_t at = str_hash(table->keys[i].id) & (cap - 1);
        while (table->slots[at])
            at = (at + 1) & (cap - 1);
        table->slots[at] = (uint32_t)i + 1;
    }
}

enum err key_table_load(struct store *s, int64_t known_version, struct key_table **out)
{
    struct loading l = { 0 };
    int64_t version = 0;
    /* Before the keys: a change in between makes the next look load once more, never too little. */
    enum err err = store_run(s, SQL_KEY_VERSION, NULL, 0, read_version, &version);
    if (err)
        return err;
    if (version == known_version)
        return ERR_AGAIN;
    l.table = MEM_NEW(struct key_table);
    l.table->version = version;
    err = store_run(s, SQL_KEY_LIST, NULL, 0, read_key, &l);
    if (err) {
        key_table_destroy(l.table);
        return err;
    }
    index_keys(l.table);
    *out = l.table;
    return OK;
}

void key_table_destroy(struct key_table *table)
{
    if (!table)
        return;
    arena_fini(&table->arena);
    mem_free(table->keys);
    mem_free(table->slots);
    mem_free(table);
}

const struct api_key *key_table_find(const struct key_table *table, struct str text)
{
    unsigned char hash[KEY_HASH_BYTES];
    if (!key_is_well_formed(text))
        return NULL;
    struct str id = key_text_id(text);
    key_text_hash(text, hash);
    size_t at = str_hash(id) & (table->slots_cap - 1);
    for (; table->slots[at]; at = (at + 1) & (table->slots_cap - 1)) {
        const struct api_key *key = &table->keys[table->slots[at] - 1];
        if (str_eq(key->id, id) && mem_equal_const_time(key->hash, hash, sizeof(hash)))
            return key->revoked_ms ? NULL : key;
    }
    return NULL;
}

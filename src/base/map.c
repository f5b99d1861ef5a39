#include "base/map.h"

#include "base/mem.h"

enum { FIRST_CAP = 16 };

void map_fini(struct map *m)
{
    if (!m)
        return;
    for (struct map_entry *e = NULL; (e = map_next(m, e));)
        mem_free((char *)e->key.at);
    mem_free(m->entries);
    *m = (struct map) { 0 };
}

/* The entry of the key, or the free one where it would stand. The table is never full. */
static struct map_entry *slot_of(const struct map *m, struct str key, uint64_t hash)
{
    size_t i = hash & (m->cap - 1);
    while (m->entries[i].value &&
           (m->entries[i].hash != hash || !str_eq(m->entries[i].key, key)))
        i = (i + 1) & (m->cap - 1);
    return &m->entries[i];
}

void *map_get(const struct map *m, struct str key)
{
    return m->cap ? slot_of(m, key, str_hash(key))->value : NULL;
}

static void grow(struct map *m)
{
    struct map bigger = { .cap = m->cap ? m->cap * 2 : FIRST_CAP, .len = m->len };
    bigger.entries = mem_zalloc(bigger.cap * sizeof(*bigger.entries));
    for (struct map_entry *e = NULL; (e = map_next(m, e));)
        *slot_of(&bigger, e->key, e->hash) = *e;
    mem_free(m->entries);
    *m = bigger;
}

void *map_put(struct map *m, struct str key, void *value)
{
    HZ_ASSERT(value);
    if (m->len * 4 >= m->cap * 3)
        grow(m);
    uint64_t hash = str_hash(key);
    struct map_entry *e = slot_of(m, key, hash);
    void *old = e->value;
    if (!old) {
        e->key = str_make(str_dup(key), key.len);
        e->hash = hash;
        m->len++;
    }
    e->value = value;
    return old;
}

void *map_remove(struct map *m, struct str key)
{
    if (m->cap == 0)
        return NULL;
    struct map_entry *e = slot_of(m, key, str_hash(key));
    void *old = e->value;
    if (!old)
        return NULL;
    mem_free((char *)e->key.at);
    *e = (struct map_entry) { 0 };
    m->len--;
    /* Entries behind the gap move up so that no probe stops short of them. */
    size_t i = (size_t)(e - m->entries);
    for (i = (i + 1) & (m->cap - 1); m->entries[i].value; i = (i + 1) & (m->cap - 1)) {
        struct map_entry moved = m->entries[i];
        m->entries[i] = (struct map_entry) { 0 };
        *slot_of(m, moved.key, moved.hash) = moved;
    }
    return old;
}

struct map_entry *map_next(const struct map *m, const struct map_entry *after)
{
    size_t i = after ? (size_t)(after - m->entries) + 1 : 0;
    for (; i < m->cap; i++) {
        if (m->entries[i].value)
            return &m->entries[i];
    }
    return NULL;
}

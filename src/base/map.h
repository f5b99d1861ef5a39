#ifndef HZ_BASE_MAP_H
#define HZ_BASE_MAP_H
/*
 * map - text to pointer. Keys are copied; values belong to the caller. Not safe across threads.
 *
 * A zeroed map is empty and ready.
 */

#include "base/str.h"

struct map_entry {
    struct str key;
    uint64_t hash;
    void *value; /* never NULL in an entry that is in use */
};

struct map {
    struct map_entry *entries; /* cap is a power of two, or 0 */
    size_t cap;
    size_t len;
};

void map_fini(struct map *m);
void *map_get(const struct map *m, struct str key);
/* Replaces what stood there; returns the old value or NULL. `value` is not NULL. */
void *map_put(struct map *m, struct str key, void *value);
/* Returns what stood there, or NULL. */
void *map_remove(struct map *m, struct str key);
/* for (struct map_entry *e = NULL; (e = map_next(m, e));) */
struct map_entry *map_next(const struct map *m, const struct map_entry *after);

#endif

#ifndef HZ_BASE_ARENA_H
#define HZ_BASE_ARENA_H
/*
 * arena - memory that is freed all at once, with a hard limit.
 *
 * One for each lifetime: process, connection, request. Our own small allocations (arena_alloc)
 * always succeed; a size that comes from outside goes through arena_try_alloc, which refuses
 * what would pass the limit.
 *
 * Owner: the struct that embeds it; arena_fini frees everything. A zeroed arena is usable and
 *        has no limit.
 */

#include "base/str.h"

struct arena_block;

struct arena {
    struct arena_block *blocks;
    char *at;
    size_t left;
    size_t used_bytes;
    size_t limit_bytes; /* 0 = none */
    size_t first_bytes; /* of the first block, for an arena that will hold little; 0 = usual */
};

void arena_init(struct arena *a, size_t limit_bytes);
void arena_fini(struct arena *a);

void *arena_alloc(struct arena *a, size_t size);
void *arena_zalloc(struct arena *a, size_t size);
/* NULL when the limit would be passed. */
void *arena_try_alloc(struct arena *a, size_t size) HZ_MUST_USE;

struct str arena_str(struct arena *a, struct str s);
char *arena_cstr(struct arena *a, struct str s);
struct str arena_printf(struct arena *a, const char *fmt, ...) HZ_PRINTF(2, 3);

#define ARENA_NEW(a, type) ((type *)arena_zalloc((a), sizeof(type)))

#endif

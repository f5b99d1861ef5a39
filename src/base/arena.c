#include "base/arena.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>

enum { ALIGN = 16, FIRST_BLOCK = 2048 - 64, LARGEST_BLOCK = 65536 - 64 };

struct arena_block {
    struct arena_block *next;
    size_t size;
    _Alignas(ALIGN) char data[];
};

void arena_init(struct arena *a, size_t limit_bytes)
{
    *a = (struct arena) { .limit_bytes = limit_bytes };
}

void arena_fini(struct arena *a)
{
    if (!a)
        return;
    while (a->blocks) {
        struct arena_block *next = a->blocks->next;
        mem_free(a->blocks);
        a->blocks = next;
    }
    *a = (struct arena) { .limit_bytes = a->limit_bytes, .first_bytes = a->first_bytes };
}

/* By half and not doubled: most requests end in their second block, and streams hold it for long. */
static size_t next_block(const struct arena *a)
{
    if (a->blocks)
        return HZ_MIN(a->blocks->size / 2 * 3, (size_t)LARGEST_BLOCK);
    return a->first_bytes ? a->first_bytes : FIRST_BLOCK;
}

static struct arena_block *block_add(struct arena *a, size_t size)
{
    struct arena_block *block = mem_alloc(sizeof(*block) + size);
    block->size = size;
    block->next = a->blocks;
    a->blocks = block;
    return block;
}

static void *alloc_large(struct arena *a, size_t size)
{
    /* Its own block, put behind the current one so that the rest of that one stays in use. */
    struct arena_block *current = a->blocks;
    struct arena_block *block = block_add(a, size);
    if (current && a->left) {
        a->blocks = current;
        block->next = current->next;
        current->next = block;
    }
    return block->data;
}

void *arena_alloc(struct arena *a, size_t size)
{
    size = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    a->used_bytes += size;
    if (size > a->left) {
        size_t next = next_block(a);
        if (size > next / 2)
            return alloc_large(a, size);
        struct arena_block *block = block_add(a, next);
        a->at = block->data;
        a->left = next;
    }
    void *at = a->at;
    a->at += size;
    a->left -= size;
    return at;
}

void *arena_zalloc(struct arena *a, size_t size)
{
    return memset(arena_alloc(a, size), 0, size);
}

void *arena_try_alloc(struct arena *a, size_t size)
{
    if (a->limit_bytes && (size > a->limit_bytes || a->used_bytes > a->limit_bytes - size))
        return NULL;
    return arena_alloc(a, size);
}

struct str arena_str(struct arena *a, struct str s)
{
    return str_make(arena_cstr(a, s), s.len);
}

char *arena_cstr(struct arena *a, struct str s)
{
    char *copy = arena_alloc(a, s.len + 1);
    if (s.len)
        memcpy(copy, s.at, s.len);
    copy[s.len] = '\0';
    return copy;
}

struct str arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    HZ_ASSERT(n >= 0);
    char *at = arena_alloc(a, (size_t)n + 1);
    vsnprintf(at, (size_t)n + 1, fmt, again);
    va_end(again);
    va_end(args);
    return str_make(at, (size_t)n);
}

#include "base/mem.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void (*assert_hook)(void);

void hz_assert_set_hook(void (*hook)(void))
{
    assert_hook = hook;
}

void hz_assert_failed(const char *cond, const char *file, int line, const char *func)
{
    fprintf(stderr, "huntaze: assertion failed: %s at %s:%d in %s\n", cond, file, line, func);
    if (assert_hook)
        assert_hook();
    abort();
}

static void *or_abort(void *at, size_t size)
{
    if (at)
        return at;
    fprintf(stderr, "huntaze: out of memory (%zu bytes)\n", size);
    abort();
}

void *mem_alloc(size_t size)
{
    return or_abort(malloc(size ? size : 1), size);
}

void *mem_zalloc(size_t size)
{
    return or_abort(calloc(1, size ? size : 1), size);
}

void *mem_realloc(void *at, size_t size)
{
    return or_abort(realloc(at, size ? size : 1), size);
}

char *mem_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(mem_alloc(size), text, size);
}

void mem_free(void *at)
{
    free(at);
}

void mem_trim(void)
{
    malloc_trim(0);
}

void mem_wipe(void *at, size_t size)
{
    explicit_bzero(at, size);
}

bool mem_equal_const_time(const void *a, const void *b, size_t size)
{
    const volatile unsigned char *x = a;
    const volatile unsigned char *y = b;
    unsigned char diff = 0;
    for (size_t i = 0; i < size; i++)
        diff = (unsigned char)(diff | (x[i] ^ y[i]));
    return diff == 0;
}

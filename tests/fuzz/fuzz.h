#ifndef HZ_TESTS_FUZZ_FUZZ_H
#define HZ_TESTS_FUZZ_FUZZ_H
/*
 * fuzz - what every fuzz target shares.
 *
 * A target is one file that defines LLVMFuzzerTestOneInput. It checks promises with HZ_ASSERT and
 * leaves the rest to the sanitizers. Linked with replay.c it replays files as an ordinary test.
 */

#include "base/buf.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of exactly that size, so that the sanitizer sees a byte read too many. */
static inline struct str fuzz_copy(struct str s)
{
    char *copy = mem_alloc(s.len ? s.len : 1);
    if (s.len)
        memcpy(copy, s.at, s.len);
    return str_make(copy, s.len);
}

static inline void fuzz_free(struct str s)
{
    mem_free((void *)(uintptr_t)s.at);
}

#endif

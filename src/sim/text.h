#ifndef HZ_SIM_TEXT_H
#define HZ_SIM_TEXT_H
/*
 * text - the simulator's tokens and words.
 *
 * 4 bytes of UTF-8 are a token, the last one may be shorter: tokens(text) = ceil(bytes / 4). Where
 * a text is cut into its tokens, a character stays whole: token k ends at or before byte 4k.
 */

#include "base/arena.h"
#include "base/buf.h"

static inline int64_t text_tokens(size_t bytes)
{
    return (int64_t)((bytes + 3) / 4);
}
/* Where token number `tokens` ends: a byte offset, at most s.len. */
size_t text_cut(struct str s, int64_t tokens);
/* The first so many characters. */
struct str text_first_chars(struct str s, size_t chars);

/* A sequence of numbers that depends on the seed alone (splitmix64). */
uint64_t text_random(uint64_t *seed);
/* Words until `out` holds at least `bytes` bytes. */
void text_add_words(struct buf *out, uint64_t *seed, size_t bytes);

#endif

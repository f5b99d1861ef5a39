#ifndef HZ_BASE_BUF_H
#define HZ_BASE_BUF_H
/*
 * buf - bytes that grow, on the heap.
 *
 * A zeroed buf is empty and ready. `limit` (0 = none) bounds what may come from outside:
 * buf_try_add refuses beyond it; the other functions are for our own text and ignore it.
 *
 * Owner: the caller; buf_fini frees.
 */

#include "base/str.h"

struct buf {
    char *at;
    size_t len;
    size_t cap;
    size_t limit;
};

void buf_fini(struct buf *b);
static inline void buf_clear(struct buf *b)
{
    b->len = 0;
}

/* Makes room for `more` bytes behind len; the caller writes there and raises len. */
char *buf_reserve(struct buf *b, size_t more);
void buf_add(struct buf *b, struct str s);
void buf_add_char(struct buf *b, char c);
void buf_add_i64(struct buf *b, int64_t value);
void buf_addf(struct buf *b, const char *fmt, ...) HZ_PRINTF(2, 3);
/* ERR_TOO_LARGE when len would pass the limit; nothing is added then. */
enum err buf_try_add(struct buf *b, struct str s) HZ_MUST_USE;

/* `s` as a JSON string with its quotes, in one line: control characters, also DEL and those from U+0080 on, and
 * line separators are escaped. Bytes that are not UTF-8 become U+FFFD. */
void buf_add_json(struct buf *b, struct str s);
/* Nano-dollars as a decimal number of dollars without trailing zeros: 37500 -> 0.0000375 */
void buf_add_usd(struct buf *b, int64_t nusd);

/* Drops the first n bytes. */
void buf_consume(struct buf *b, size_t n);

static inline struct str buf_str(const struct buf *b)
{
    return (struct str) { b->at, b->len };
}
/* Moves the memory out, terminated; the buf is empty afterwards. The caller frees with mem_free. */
char *buf_take(struct buf *b);

#endif

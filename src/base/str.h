#ifndef HZ_BASE_STR_H
#define HZ_BASE_STR_H
/*
 * str - borrowed text: a pointer and a length, never owned, not terminated.
 *
 * Whoever keeps one longer than its source copies it into an arena (arena_str) or buffer.
 */

#include "base/defs.h"
#include "base/err.h"

#include <string.h>

struct str {
    const char *at;
    size_t len;
};

#define STR(literal) ((struct str) { "" literal, sizeof(literal) - 1 })
#define STR_NONE ((struct str) { NULL, 0 })
/* For printf: printf("%.*s", STR_ARG(s)) */
#define STR_ARG(s) (int)(s).len, (s).at

static inline struct str str_of(const char *text)
{
    return (struct str) { text, text ? strlen(text) : 0 };
}

static inline struct str str_make(const char *at, size_t len)
{
    return (struct str) { at, len };
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static inline bool str_is(struct str a, const char *text)
{
    return str_eq(a, str_of(text));
}

/* ASCII letters compare without case; other bytes exactly. */
bool str_same_nocase(const char *a, const char *b, size_t len);
static inline bool str_eq_nocase(struct str a, struct str b)
{
    return a.len == b.len && str_same_nocase(a.at, b.at, a.len);
}
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);

/* Index of the first occurrence, or SIZE_MAX. */
size_t str_find(struct str s, struct str needle);
size_t str_find_char(struct str s, char c);
bool str_contains_nocase(struct str s, struct str needle);

struct str str_trim(struct str s);
struct str str_skip(struct str s, size_t n);
struct str str_first(struct str s, size_t n);
/* Without the bytes at its end of a UTF-8 character that was cut. */
struct str str_whole_characters(struct str s);

/* Cuts *rest at the first `sep`: returns what stood before it and moves *rest behind it.
 * Without a separator returns all and leaves *rest empty with at = NULL. */
struct str str_cut(struct str *rest, char sep);

/* Whole text as a decimal number; ERR_BAD_NUMBER on anything else, also on overflow. */
enum err str_to_i64(struct str s, int64_t *out) HZ_MUST_USE;
enum err str_to_u64(struct str s, uint64_t *out) HZ_MUST_USE;

/* A decimal such as "0.0375" or "-12" as an integer scaled by 10^digits (digits <= 18).
 * ERR_BAD_NUMBER for other text, overflow, or more significant decimals than `digits`. */
enum err str_to_scaled(struct str s, int digits, int64_t *out) HZ_MUST_USE;

/* A terminated heap copy: the caller frees it with mem_free. */
char *str_dup(struct str s);

/* FNV-1a, for hash tables of trusted keys; not for secrets. */
uint64_t str_hash(struct str s);

#endif

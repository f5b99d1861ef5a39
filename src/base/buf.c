#include "base/buf.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>

enum { SMALLEST_CAP = 64 };

void buf_fini(struct buf *b)
{
    if (!b)
        return;
    mem_free(b->at);
    *b = (struct buf) { .limit = b->limit };
}

char *buf_reserve(struct buf *b, size_t more)
{
    size_t need = b->len + more;
    HZ_ASSERT(need >= b->len);
    if (need > b->cap) {
        size_t cap = b->cap ? b->cap : SMALLEST_CAP;
        while (cap < need)
            cap *= 2;
        b->at = mem_realloc(b->at, cap);
        b->cap = cap;
    }
    return b->at + b->len;
}

void buf_add(struct buf *b, struct str s)
{
    if (s.len == 0)
        return;
    memcpy(buf_reserve(b, s.len), s.at, s.len);
    b->len += s.len;
}

void buf_add_char(struct buf *b, char c)
{
    *buf_reserve(b, 1) = c;
    b->len++;
}

void buf_add_i64(struct buf *b, int64_t value)
{
    char digits[24];
    size_t at = sizeof(digits);
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (value < 0)
        digits[--at] = '-';
    buf_add(b, str_make(digits + at, sizeof(digits) - at));
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    va_list again;
    va_copy(again, args);
    size_t room = b->cap - b->len;
    int n = vsnprintf(b->at ? b->at + b->len : NULL, room, fmt, args);
    HZ_ASSERT(n >= 0);
    if ((size_t)n >= room) {
        buf_reserve(b, (size_t)n + 1);
        vsnprintf(b->at + b->len, (size_t)n + 1, fmt, again);
    }
    b->len += (size_t)n;
    va_end(again);
    va_end(args);
}

enum err buf_try_add(struct buf *b, struct str s)
{
    if (b->limit && (s.len > b->limit || b->len > b->limit - s.len))
        return ERR_TOO_LARGE;
    buf_add(b, s);
    return OK;
}

/* Length of the valid UTF-8 sequence at the start of s, or 0. */
static size_t utf8_len(struct str s)
{
    const unsigned char *p = (const unsigned char *)s.at;
    size_t n = p[0] < 0x80 ? 1 : p[0] >= 0xC2 && p[0] < 0xE0 ? 2
             : (p[0] & 0xF0) == 0xE0 ? 3 : p[0] >= 0xF0 && p[0] < 0xF5 ? 4 : 0;
    if (n == 0 || s.len < n)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    }
    bool is_overlong = (p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xF0 && p[1] < 0x90);
    bool is_surrogate = p[0] == 0xED && p[1] >= 0xA0;
    bool is_too_high = p[0] == 0xF4 && p[1] >= 0x90;
    return is_overlong || is_surrogate || is_too_high ? 0 : n;
}

static void add_json_char(struct buf *b, unsigned char c)
{
    switch (c) {
    case '"': buf_add(b, STR("\\\"")); break;
    case '\\': buf_add(b, STR("\\\\")); break;
    case '\n': buf_add(b, STR("\\n")); break;
    case '\r': buf_add(b, STR("\\r")); break;
    case '\t': buf_add(b, STR("\\t")); break;
    default: buf_addf(b, "\\u%04x", c); break;
    }
}

/* JSON allows them raw, but terminals obey the first, and some readers of lines end one at the last. */
static bool must_escape(const unsigned char *p, size_t n)
{
    bool is_c1 = n == 2 && p[0] == 0xC2 && p[1] < 0xA0;
    bool is_separator = n == 3 && p[0] == 0xE2 && p[1] == 0x80 && (p[2] == 0xA8 || p[2] == 0xA9);
    return is_c1 || is_separator;
}

static void add_json_character(struct buf *b, struct str s, size_t n)
{
    const unsigned char *p = (const unsigned char *)s.at;
    if (n == 0)
        buf_add(b, STR("\xEF\xBF\xBD"));
    else if (must_escape(p, n))
        buf_addf(b, "\\u%04x", n == 2 ? p[1] : 0x2000u | (p[2] & 0x3Fu));
    else
        buf_add(b, str_first(s, n));
}

void buf_add_json(struct buf *b, struct str s)
{
    buf_add_char(b, '"');
    while (s.len) {
        size_t plain = 0;
        while (plain < s.len && (unsigned char)s.at[plain] >= 0x20 && s.at[plain] != '"' &&
               s.at[plain] != '\\' && (unsigned char)s.at[plain] < 0x7f)
            plain++;
        buf_add(b, str_first(s, plain));
        s = str_skip(s, plain);
        if (s.len == 0)
            break;
        unsigned char c = (unsigned char)s.at[0];
        size_t n = utf8_len(s);
        if (c < 0x80)
            add_json_char(b, c);
        else
            add_json_character(b, s, n);
        s = str_skip(s, n ? n : 1);
    }
    buf_add_char(b, '"');
}

void buf_add_usd(struct buf *b, int64_t nusd)
{
    uint64_t value = nusd < 0 ? 0 - (uint64_t)nusd : (uint64_t)nusd;
    if (nusd < 0)
        buf_add_char(b, '-');
    buf_add_i64(b, (int64_t)(value / 1000000000));
    uint64_t fraction = value % 1000000000;
    if (fraction == 0)
        return;
    size_t digits = 9;
    for (; fraction % 10 == 0; fraction /= 10)
        digits--;
    char *at = buf_reserve(b, digits + 1);
    b->len += digits + 1;
    *at = '.';
    for (; digits; fraction /= 10)
        at[digits--] = (char)('0' + fraction % 10);
}

void buf_consume(struct buf *b, size_t n)
{
    HZ_ASSERT(n <= b->len);
    b->len -= n;
    if (b->len)
        memmove(b->at, b->at + n, b->len);
}

char *buf_take(struct buf *b)
{
    *buf_reserve(b, 1) = '\0';
    char *at = b->at;
    *b = (struct buf) { .limit = b->limit };
    return at;
}

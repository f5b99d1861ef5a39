#include "base/str.h"

#include "base/mem.h"

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool str_same_nocase(const char *a, const char *b, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (a[i] != b[i] && lower(a[i]) != lower(b[i]))
            return false;
    }
    return true;
}

bool str_starts(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq(str_first(s, prefix.len), prefix);
}

bool str_ends(struct str s, struct str suffix)
{
    return s.len >= suffix.len && str_eq(str_skip(s, s.len - suffix.len), suffix);
}

size_t str_find(struct str s, struct str needle)
{
    if (needle.len == 0)
        return 0;
    const char *hit = s.len ? memmem(s.at, s.len, needle.at, needle.len) : NULL;
    return hit ? (size_t)(hit - s.at) : SIZE_MAX;
}

size_t str_find_char(struct str s, char c)
{
    const char *hit = s.len ? memchr(s.at, c, s.len) : NULL;
    return hit ? (size_t)(hit - s.at) : SIZE_MAX;
}

bool str_contains_nocase(struct str s, struct str needle)
{
    for (size_t i = 0; i + needle.len <= s.len; i++) {
        if (str_eq_nocase(str_make(s.at + i, needle.len), needle))
            return true;
    }
    return false;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str s)
{
    while (s.len && is_space(s.at[0]))
        s = str_skip(s, 1);
    while (s.len && is_space(s.at[s.len - 1]))
        s.len--;
    return s;
}

struct str str_skip(struct str s, size_t n)
{
    n = HZ_MIN(n, s.len);
    return (struct str) { s.at ? s.at + n : NULL, s.len - n };
}

struct str str_first(struct str s, size_t n)
{
    return (struct str) { s.at, HZ_MIN(n, s.len) };
}

struct str str_whole_characters(struct str s)
{
    enum { MORE_MAX = 3 };
    size_t more = 0; /* continuation bytes at the end */
    while (more < HZ_MIN(s.len, (size_t)MORE_MAX) && ((unsigned char)s.at[s.len - 1 - more] & 0xC0) == 0x80)
        more++;
    if (more == s.len)
        return s;
    unsigned char lead = (unsigned char)s.at[s.len - 1 - more];
    size_t wanted = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
    return more < wanted ? str_first(s, s.len - 1 - more) : s;
}

struct str str_cut(struct str *rest, char sep)
{
    size_t at = str_find_char(*rest, sep);
    struct str head = str_first(*rest, at);
    *rest = at == SIZE_MAX ? STR_NONE : str_skip(*rest, at + 1);
    return head;
}

enum err str_to_u64(struct str s, uint64_t *out)
{
    uint64_t value = 0;
    if (s.len == 0)
        return ERR_BAD_NUMBER;
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = (unsigned)(s.at[i] - '0');
        if (s.at[i] < '0' || digit > 9)
            return ERR_BAD_NUMBER;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, digit, &value))
            return ERR_BAD_NUMBER;
    }
    *out = value;
    return OK;
}

enum err str_to_i64(struct str s, int64_t *out)
{
    bool is_negative = s.len && s.at[0] == '-';
    uint64_t value;
    enum err err = str_to_u64(is_negative ? str_skip(s, 1) : s, &value);
    if (err)
        return err;
    if (value > (uint64_t)INT64_MAX + (is_negative ? 1 : 0))
        return ERR_BAD_NUMBER;
    *out = is_negative ? (int64_t)(0 - value) : (int64_t)value;
    return OK;
}

enum err str_to_scaled(struct str s, int digits, int64_t *out)
{
    bool is_negative = s.len && s.at[0] == '-';
    struct str decimals = is_negative ? str_skip(s, 1) : s;
    struct str whole = str_cut(&decimals, '.');
    if (decimals.at && decimals.len == 0)
        return ERR_BAD_NUMBER;
    while (decimals.len > (size_t)digits && decimals.at[decimals.len - 1] == '0')
        decimals.len--;
    if (decimals.len > (size_t)digits)
        return ERR_BAD_NUMBER;

    uint64_t value, fraction = 0;
    enum err err = str_to_u64(whole, &value);
    if (!err && decimals.len)
        err = str_to_u64(decimals, &fraction);
    if (err)
        return err;
    uint64_t scale = 1;
    for (int i = 0; i < digits; i++) {
        scale *= 10;
        if ((size_t)i >= decimals.len)
            fraction *= 10;
    }
    int64_t result;
    if (__builtin_mul_overflow(value, scale, &value) ||
        __builtin_add_overflow(value, fraction, &result))
        return ERR_BAD_NUMBER;
    *out = is_negative ? -result : result;
    return OK;
}

char *str_dup(struct str s)
{
    char *copy = mem_alloc(s.len + 1);
    if (s.len)
        memcpy(copy, s.at, s.len);
    copy[s.len] = '\0';
    return copy;
}

uint64_t str_hash(struct str s)
{
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < s.len; i++)
        hash = (hash ^ (unsigned char)s.at[i]) * 1099511628211u;
    return hash;
}

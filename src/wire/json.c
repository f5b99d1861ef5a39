#include "wire/json.h"

#include "wire/scan.h"

enum { NO_CODE_POINT = 0x110000, REPLACEMENT = 0xFFFD, UTF8_MAX = 4, ESCAPE_LEN = JSON_ESCAPE_LEN };

enum json_kind json_kind(struct str value)
{
    if (value.len == 0)
        return JSON_NONE;
    switch (value.at[0]) {
    case 'n': return JSON_NULL;
    case 't':
    case 'f': return JSON_BOOL;
    case '"': return JSON_STRING;
    case '[': return JSON_ARRAY;
    case '{': return JSON_OBJECT;
    default: break;
    }
    bool is_number = value.at[0] == '-' || (value.at[0] >= '0' && value.at[0] <= '9');
    return is_number ? JSON_NUMBER : JSON_NONE;
}

struct str json_trim(struct str value)
{
    return str_trim(value);
}

/* ---- walking: a checked document is not checked again, but nothing is read past a slice ---- */

static inline const byte *skip_space(const byte *at, const byte *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r'))
        at++;
    return at;
}

/* From behind the opening quote to behind the closing one. */
static const byte *skip_string(const byte *at, const byte *end)
{
    for (;;) {
        at = scan_quote(at, end);
        if (at == end || *at == '"')
            return at == end ? end : at + 1;
        if (end - at < 2)
            return end;
        at += 2;
    }
}

static const byte *skip_container(const byte *at, const byte *end)
{
    size_t depth = 0;
    do {
        at = scan_bracket(at, end);
        if (at == end)
            return end;
        byte c = *at++;
        if (c == '"')
            at = skip_string(at, end);
        else if ((c | 0x20) == '{')
            depth++;
        else
            depth--;
    } while (depth);
    return at;
}

static const byte *skip_value(const byte *at, const byte *end)
{
    if (at == end)
        return end;
    if (*at == '"')
        return skip_string(at + 1, end);
    if (*at == '{' || *at == '[')
        return skip_container(at, end);
    while (at < end && *at != ',' && *at != ']' && *at != '}' && *at > ' ')
        at++;
    return at;
}

static struct str slice(const byte *from, const byte *to)
{
    return str_make((const char *)from, (size_t)(to - from));
}

void json_iter_init(struct json_iter *it, struct str value)
{
    it->rest = json_trim(value);
    it->is_first = true;
}

/* Steps to the start of the next member or element; false at the end, after which it stays so. */
static bool iter_step(struct json_iter *it, char open, const byte **at, const byte **end)
{
    if (it->rest.len == 0 || *it->rest.at != (it->is_first ? open : ',')) {
        it->rest.len = 0;
        return false;
    }
    *end = (const byte *)it->rest.at + it->rest.len;
    *at = skip_space((const byte *)it->rest.at + 1, *end);
    if (*at == *end || **at == ']' || **at == '}') {
        it->rest.len = 0;
        return false;
    }
    return true;
}

static void iter_take(struct json_iter *it, const byte *at, const byte *end, struct str *value)
{
    const byte *behind = skip_value(at, end);
    *value = slice(at, behind);
    it->is_first = false;
    it->rest = slice(skip_space(behind, end), end);
}

bool json_next_member(struct json_iter *it, struct str *key, struct str *value)
{
    const byte *at, *end;
    if (!iter_step(it, '{', &at, &end))
        return false;
    const byte *behind = *at == '"' ? skip_string(at + 1, end) : end;
    *key = slice(at, behind);
    at = skip_space(behind, end);
    if (at == end || *at != ':') {
        it->rest.len = 0;
        return false;
    }
    iter_take(it, skip_space(at + 1, end), end, value);
    return true;
}

bool json_next_element(struct json_iter *it, struct str *value)
{
    const byte *at, *end;
    if (!iter_step(it, '[', &at, &end))
        return false;
    iter_take(it, at, end, value);
    return true;
}

size_t json_len(struct str array_or_object)
{
    struct json_iter it;
    struct str key, value;
    size_t len = 0;
    json_iter_init(&it, array_or_object);
    if (json_kind(it.rest) == JSON_OBJECT) {
        while (json_next_member(&it, &key, &value))
            len++;
    } else {
        while (json_next_element(&it, &value))
            len++;
    }
    return len;
}

/* ---- strings ---- */

/* The text between the quotes, or at = NULL. */
static struct str contents(struct str value)
{
    if (value.len < 2 || value.at[0] != '"' || value.at[value.len - 1] != '"')
        return STR_NONE;
    return str_make(value.at + 1, value.len - 2);
}

static size_t utf8_write(unsigned code, char *out)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t len = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned lead[UTF8_MAX + 1] = { 0, 0, 0xC0, 0xE0, 0xF0 };
    for (size_t i = len - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code & 0x3F));
        code >>= 6;
    }
    out[0] = (char)(lead[len] | code);
    return len;
}

static unsigned hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10) : 16;
}

/* The code unit of "\uXXXX" at the start of s, or NO_CODE_POINT. */
static unsigned escaped_unit(struct str s)
{
    if (s.len < 6 || s.at[0] != '\\' || s.at[1] != 'u')
        return NO_CODE_POINT;
    unsigned code = 0;
    for (size_t i = 2; i < 6; i++) {
        unsigned digit = hex_digit(s.at[i]);
        if (digit > 15)
            return NO_CODE_POINT;
        code = code << 4 | digit;
    }
    return code;
}

static bool is_high(unsigned unit)
{
    return unit >= 0xD800 && unit < 0xDC00;
}

static bool is_low(unsigned unit)
{
    return unit >= 0xDC00 && unit < 0xE000;
}

static const char plain_escapes[256] = {
    ['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
    ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t',
};

/* Decodes the escape at the start of *s and moves behind it. */
static size_t decode_escape(struct str *s, char out[UTF8_MAX])
{
    unsigned code = escaped_unit(*s);
    if (code == NO_CODE_POINT) {
        char c = s->len > 1 ? plain_escapes[(byte)s->at[1]] : '\0';
        *s = str_skip(*s, 2);
        out[0] = c;
        return c ? 1 : 0;
    }
    *s = str_skip(*s, 6);
    if (is_high(code)) {
        unsigned low = escaped_unit(*s);
        if (is_low(low)) {
            *s = str_skip(*s, 6);
            return utf8_write(0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00), out);
        }
    }
    return utf8_write(is_high(code) || is_low(code) ? REPLACEMENT : code, out);
}

size_t json_decode(struct str s, char *out)
{
    size_t len = 0;
    while (s.len) {
        struct str plain = str_first(s, str_find_char(s, '\\'));
        memcpy(out + len, plain.at, plain.len);
        len += plain.len;
        s = str_skip(s, plain.len);
        if (s.len) {
            char decoded[UTF8_MAX];
            size_t n = decode_escape(&s, decoded);
            memcpy(out + len, decoded, n);
            len += n;
        }
    }
    return len;
}

struct str json_to_str(struct arena *a, struct str value)
{
    struct str text = contents(value);
    if (!text.at || str_find_char(text, '\\') == SIZE_MAX)
        return text;
    char *out = arena_alloc(a, text.len);
    return str_make(out, json_decode(text, out));
}

bool json_str_append(struct str value, struct buf *out)
{
    struct str text = contents(value);
    if (!text.at)
        return false;
    if (text.len)
        out->len += json_decode(text, buf_reserve(out, text.len));
    return true;
}

struct json_halves json_find_halves(struct str value)
{
    struct json_halves found = { 0 };
    struct str text = contents(value), rest = text;
    while (rest.len) {
        rest = str_skip(rest, str_find_char(rest, '\\'));
        unsigned unit = escaped_unit(rest);
        bool is_pair = is_high(unit) && is_low(escaped_unit(str_skip(rest, ESCAPE_LEN)));
        if (is_low(unit) && rest.at == text.at)
            found.has_first = true;
        else if (is_high(unit) && rest.len == ESCAPE_LEN)
            found.has_last = true;
        else if (!is_pair && (is_low(unit) || is_high(unit)))
            found.has_within = true;
        size_t escape_len = unit == NO_CODE_POINT ? 2 : is_pair ? 2 * ESCAPE_LEN : ESCAPE_LEN;
        rest = str_skip(rest, escape_len);
    }
    return found;
}

static bool is_same_escaped(struct str raw, struct str name)
{
    while (raw.len) {
        char decoded[UTF8_MAX];
        size_t n = 1;
        if (raw.at[0] == '\\') {
            n = decode_escape(&raw, decoded);
        } else {
            decoded[0] = raw.at[0];
            raw = str_skip(raw, 1);
        }
        if (!str_starts(name, str_make(decoded, n)))
            return false;
        name = str_skip(name, n);
    }
    return name.len == 0;
}

/* An escape is always longer than what it stands for, so equal lengths mean equal bytes. */
static inline bool is_key(struct str raw_key, struct str name)
{
    if (raw_key.len < name.len + 2 || raw_key.at[0] != '"')
        return false;
    struct str text = str_make(raw_key.at + 1, raw_key.len - 2);
    if (text.len == name.len)
        return str_eq(text, name) && str_find_char(name, '\\') == SIZE_MAX;
    return str_find_char(text, '\\') != SIZE_MAX && is_same_escaped(text, name);
}

bool json_key_is(struct str raw_key, const char *name)
{
    return is_key(raw_key, str_of(name));
}

static struct str get(struct str object, struct str name)
{
    struct json_iter it;
    struct str key, value;
    json_iter_init(&it, object);
    while (json_next_member(&it, &key, &value)) {
        if (is_key(key, name))
            return value;
    }
    return STR_NONE;
}

struct str json_get(struct str object, const char *name)
{
    return get(object, str_of(name));
}

struct str json_path(struct str object, const char *dotted)
{
    struct str rest = str_of(dotted);
    while (rest.at && object.at)
        object = get(object, str_cut(&rest, '.'));
    return object;
}

/* ---- scalars ---- */

bool json_is_null(struct str value)
{
    return value.len == 0 || value.at[0] == 'n';
}

bool json_is_true(struct str value)
{
    return str_eq(value, STR("true"));
}

/* The digits of a number as value * 10^zeros; the value has no trailing zeros. */
struct digits {
    uint64_t value;
    int64_t zeros;
};

static bool digits_add(struct digits *d, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned digit = (unsigned)(text.at[i] - '0');
        if (digit > 9)
            return false;
        d->zeros++;
        if (digit == 0)
            continue;
        for (; d->value && d->zeros > 0; d->zeros--) {
            if (__builtin_mul_overflow(d->value, 10, &d->value))
                return false;
        }
        d->zeros = 0;
        if (__builtin_add_overflow(d->value, digit, &d->value))
            return false;
    }
    return true;
}

static bool read_exponent(struct str text, int64_t *out)
{
    /* Far beyond any count of digits, and far from overflow. */
    const int64_t far = (int64_t)1 << 48;
    bool is_negative = text.len && text.at[0] == '-';
    if (text.len && (text.at[0] == '-' || text.at[0] == '+'))
        text = str_skip(text, 1);
    int64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        value = HZ_MIN(value * 10 + (text.at[i] - '0'), far);
    }
    *out = is_negative ? -value : value;
    return text.len > 0;
}

bool json_to_i64(struct str value, int64_t *out)
{
    if (json_kind(value) != JSON_NUMBER)
        return false;
    bool is_negative = value.at[0] == '-';
    struct str whole = is_negative ? str_skip(value, 1) : value;
    size_t e_at = HZ_MIN(str_find_char(whole, 'e'), str_find_char(whole, 'E'));
    struct str fraction = str_first(whole, e_at);
    int64_t exponent = 0;
    if (e_at != SIZE_MAX && !read_exponent(str_skip(whole, e_at + 1), &exponent))
        return false;
    whole = str_cut(&fraction, '.');

    struct digits d = { 0 };
    if (whole.len == 0 || !digits_add(&d, whole) || !digits_add(&d, fraction))
        return false;
    int64_t power = d.value ? exponent - (int64_t)fraction.len + d.zeros : 0;
    if (power < 0 || power > 18)
        return false;
    for (; power > 0; power--) {
        if (__builtin_mul_overflow(d.value, 10, &d.value))
            return false;
    }
    if (d.value > (uint64_t)INT64_MAX + (is_negative ? 1 : 0))
        return false;
    *out = is_negative ? (int64_t)(0 - d.value) : (int64_t)d.value;
    return true;
}

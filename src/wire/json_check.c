#include "wire/json.h"

#include "base/mem.h"
#include "wire/scan.h"

enum { INLINE_KEYS = 32 };

struct top_key {
    const byte *at; /* between the quotes */
    uint32_t hash;  /* of the decoded text */
    uint16_t len;
    bool has_escape;
};

/* The keys of the top level, to find duplicates. Their number and length are bounded because
 * colliding hashes, which a caller can choose, make the search quadratic. */
struct top_keys {
    uint64_t filter; /* one bit for each hash seen: most keys need no search */
    size_t len;
    struct top_key *list; /* `few`, or on the heap */
    struct top_key few[INLINE_KEYS];
};

struct check {
    const byte *end;
    uint64_t objects; /* bit d: the container at depth d + 1 is an object */
    unsigned depth;
    bool has_escape; /* the last string had one */
    const char *why;
    const byte *where;
    struct top_keys keys;
};

enum step { STEP_VALUE, STEP_FIRST_VALUE, STEP_KEY, STEP_FIRST_KEY, STEP_AFTER, STEP_DONE };

enum class { CLASS_OTHER, CLASS_STRING, CLASS_NUMBER, CLASS_WORD, CLASS_ARRAY, CLASS_OBJECT };

static const byte class_of[256] = {
    ['"'] = CLASS_STRING, ['-'] = CLASS_NUMBER, ['0' ... '9'] = CLASS_NUMBER, ['t'] = CLASS_WORD,
    ['f'] = CLASS_WORD,   ['n'] = CLASS_WORD,   ['['] = CLASS_ARRAY,          ['{'] = CLASS_OBJECT,
};

/* Length of the escape by the byte behind the backslash; 0 = none such. */
static const byte escape_len[256] = {
    ['"'] = 2, ['\\'] = 2, ['/'] = 2, ['b'] = 2, ['f'] = 2,
    ['n'] = 2, ['r'] = 2,  ['t'] = 2, ['u'] = 6,
};

static const byte is_space[256] = { [' '] = 1, ['\t'] = 1, ['\n'] = 1, ['\r'] = 1 };
static const byte is_hex[256] = { ['0' ... '9'] = 1, ['a' ... 'f'] = 1, ['A' ... 'F'] = 1 };

static const byte *refuse(struct check *c, const byte *where, const char *why)
{
    c->why = why;
    c->where = where;
    return NULL;
}

static inline bool is_digit(const byte *at, const byte *end)
{
    return at < end && *at >= '0' && *at <= '9';
}

static const byte *skip_digits(const byte *at, const byte *end)
{
    while (is_digit(at, end))
        at++;
    return at;
}

/* ---- strings ---- */

/* Behind all non-ASCII characters at `at`, or NULL (RFC 3629: no overlong form, no surrogate,
 * nothing above U+10FFFF). */
static const byte *check_utf8(struct check *c, const byte *at)
{
    while (at < c->end && *at >= 0x80) {
        size_t left = (size_t)(c->end - at);
        if (*at >= 0xC2 && *at < 0xE0 && left >= 2 && (at[1] & 0xC0) == 0x80) {
            at += 2;
        } else if ((*at & 0xF0) == 0xE0 && left >= 3 && (at[1] & 0xC0) == 0x80 &&
                   (at[2] & 0xC0) == 0x80 && (*at != 0xE0 || at[1] >= 0xA0) &&
                   (*at != 0xED || at[1] < 0xA0)) {
            at += 3;
        } else if (*at >= 0xF0 && *at < 0xF5 && left >= 4 && (at[1] & 0xC0) == 0x80 &&
                   (at[2] & 0xC0) == 0x80 && (at[3] & 0xC0) == 0x80 &&
                   (*at != 0xF0 || at[1] >= 0x90) && (*at != 0xF4 || at[1] < 0x90)) {
            at += 4;
        } else {
            return refuse(c, at, "text that is not UTF-8");
        }
    }
    return at;
}

static const byte *check_escape(struct check *c, const byte *at)
{
    size_t left = (size_t)(c->end - at);
    size_t len = left >= 2 ? escape_len[at[1]] : 0;
    if (len == 0 || len > left)
        return refuse(c, at, "a broken escape");
    for (size_t i = 2; i < len; i++) {
        if (!is_hex[at[i]])
            return refuse(c, at, "a broken escape");
    }
    c->has_escape = true;
    return at + len;
}

/* `at` stands behind the opening quote; the result behind the closing one. */
static const byte *check_string(struct check *c, const byte *at)
{
    c->has_escape = false;
    while (at) {
        at = scan_text(at, c->end);
        if (at == c->end)
            return refuse(c, at, "a string that does not end");
        if (*at == '"')
            return at + 1;
        if (*at == '\\')
            at = check_escape(c, at);
        else if (*at < 0x20)
            return refuse(c, at, "a control character inside a string");
        else
            at = check_utf8(c, at);
    }
    return NULL;
}

/* ---- duplicate keys ---- */

static uint32_t hash_bytes(const byte *at, size_t len)
{
    uint64_t hash = len * 0x9E3779B97F4A7C15u;
    while (len >= 8) {
        uint64_t word;
        memcpy(&word, at, sizeof(word));
        hash = (hash ^ word) * 0xD6E8FEB86659FD93u;
        hash ^= hash >> 32;
        at += 8;
        len -= 8;
    }
    uint64_t tail = 0;
    for (size_t i = 0; i < len; i++)
        tail = tail << 8 | at[i];
    hash = (hash ^ tail) * 0xD6E8FEB86659FD93u;
    return (uint32_t)(hash >> 32);
}

static __attribute__((noinline)) uint32_t hash_decoded(struct str text)
{
    char decoded[JSON_TOP_KEY_BYTES];
    return hash_bytes((const byte *)decoded, json_decode(text, decoded));
}

static __attribute__((noinline)) bool is_same_decoded(struct str a, struct str b)
{
    char decoded_a[JSON_TOP_KEY_BYTES], decoded_b[JSON_TOP_KEY_BYTES];
    return str_eq(str_make(decoded_a, json_decode(a, decoded_a)),
                  str_make(decoded_b, json_decode(b, decoded_b)));
}

static bool is_same_key(const struct top_key *a, const struct top_key *b)
{
    struct str text_a = { (const char *)a->at, a->len }, text_b = { (const char *)b->at, b->len };
    if (a->has_escape || b->has_escape)
        return is_same_decoded(text_a, text_b);
    return str_eq(text_a, text_b);
}

static void top_keys_fini(struct top_keys *k)
{
    if (k->list != k->few)
        mem_free(k->list);
}

static const char *top_keys_add(struct top_keys *k, struct top_key key)
{
    if (k->filter & (uint64_t)1 << (key.hash & 63)) {
        for (size_t i = 0; i < k->len; i++) {
            if (k->list[i].hash == key.hash && is_same_key(&k->list[i], &key))
                return "a second top-level member of the same name";
        }
    }
    if (k->len == JSON_TOP_KEYS_MAX)
        return "too many top-level members";
    if (k->len == INLINE_KEYS) {
        k->list = mem_alloc(JSON_TOP_KEYS_MAX * sizeof(k->list[0]));
        memcpy(k->list, k->few, sizeof(k->few));
    }
    k->filter |= (uint64_t)1 << (key.hash & 63);
    k->list[k->len++] = key;
    return NULL;
}

static const byte *check_key(struct check *c, const byte *at)
{
    if (*at != '"')
        return refuse(c, at, "a member without a quoted name");
    const byte *text = at + 1;
    at = check_string(c, text);
    if (!at)
        return NULL;
    if (c->depth == 1) {
        size_t len = (size_t)(at - 1 - text);
        if (len > JSON_TOP_KEY_BYTES)
            return refuse(c, text - 1, "a top-level name that is too long");
        struct top_key key = { .at = text, .len = (uint16_t)len, .has_escape = c->has_escape };
        key.hash = key.has_escape ? hash_decoded(str_make((const char *)text, len))
                                  : hash_bytes(text, len);
        const char *why = top_keys_add(&c->keys, key);
        if (why)
            return refuse(c, text - 1, why);
    }
    while (at < c->end && is_space[*at])
        at++;
    if (at == c->end || *at != ':')
        return refuse(c, at, "a name without its colon");
    return at + 1;
}

/* ---- values ---- */

static const byte *check_number(struct check *c, const byte *at)
{
    const byte *start = at;
    if (*at == '-')
        at++;
    if (!is_digit(at, c->end))
        return refuse(c, start, "a malformed number");
    at = *at == '0' ? at + 1 : skip_digits(at, c->end);
    if (at < c->end && *at == '.') {
        if (!is_digit(at + 1, c->end))
            return refuse(c, start, "a malformed number");
        at = skip_digits(at + 1, c->end);
    }
    if (at < c->end && (*at | 0x20) == 'e') {
        at++;
        if (at < c->end && (*at == '+' || *at == '-'))
            at++;
        if (!is_digit(at, c->end))
            return refuse(c, start, "a malformed number");
        at = skip_digits(at, c->end);
    }
    return at;
}

static const byte *check_word(struct check *c, const byte *at)
{
    struct str word = *at == 't' ? STR("true") : *at == 'f' ? STR("false") : STR("null");
    if ((size_t)(c->end - at) < word.len || memcmp(at, word.at, word.len) != 0)
        return refuse(c, at, "an unknown word");
    return at + word.len;
}

static const byte *check_open(struct check *c, const byte *at, bool is_object)
{
    if (c->depth == JSON_DEPTH_MAX)
        return refuse(c, at, "nesting that is too deep (64 levels are allowed)");
    uint64_t bit = (uint64_t)1 << c->depth++;
    c->objects = is_object ? c->objects | bit : c->objects & ~bit;
    return at + 1;
}

static inline const byte *check_value(struct check *c, const byte *at, enum step *step)
{
    *step = STEP_AFTER;
    switch ((enum class)class_of[*at]) {
    case CLASS_STRING: return check_string(c, at + 1);
    case CLASS_NUMBER: return check_number(c, at);
    case CLASS_WORD: return check_word(c, at);
    case CLASS_ARRAY: *step = STEP_FIRST_VALUE; return check_open(c, at, false);
    case CLASS_OBJECT: *step = STEP_FIRST_KEY; return check_open(c, at, true);
    case CLASS_OTHER: break;
    }
    return refuse(c, at, "something that is no value");
}

/* Behind a value: a comma or the end of its container. */
static inline const byte *check_after(struct check *c, const byte *at, enum step *step)
{
    if (c->depth == 0)
        return refuse(c, at, "something behind the document");
    bool is_object = c->objects >> (c->depth - 1) & 1;
    if (*at == ',') {
        *step = is_object ? STEP_KEY : STEP_VALUE;
        return at + 1;
    }
    if (*at != (is_object ? '}' : ']'))
        return refuse(c, at,
                      is_object ? "neither ',' nor '}' behind a member"
                                : "neither ',' nor ']' behind an element");
    c->depth--;
    return at + 1;
}

static const byte *check_step(struct check *c, const byte *at, enum step *step)
{
    switch (*step) {
    case STEP_FIRST_KEY:
        if (*at == '}') {
            *step = STEP_AFTER;
            return check_after(c, at, step);
        }
        /* fall through */
    case STEP_KEY: *step = STEP_VALUE; return check_key(c, at);
    case STEP_FIRST_VALUE:
        if (*at == ']') {
            *step = STEP_AFTER;
            return check_after(c, at, step);
        }
        /* fall through */
    case STEP_VALUE: return check_value(c, at, step);
    case STEP_AFTER: return check_after(c, at, step);
    case STEP_DONE: break;
    }
    return NULL;
}

enum err json_check(struct str text, struct fail *fail)
{
    const byte *start = (const byte *)(text.len ? text.at : ""), *at = start;
    struct check c;
    c.end = at + text.len;
    c.depth = 0;
    c.objects = 0;
    c.keys.filter = 0;
    c.keys.len = 0;
    c.keys.list = c.keys.few;

    enum step step = STEP_VALUE;
    while (at && step != STEP_DONE) {
        while (at < c.end && is_space[*at])
            at++;
        if (at < c.end)
            at = check_step(&c, at, &step);
        else if (step == STEP_AFTER && c.depth == 0)
            step = STEP_DONE;
        else
            at = refuse(&c, at, "an early end");
    }
    top_keys_fini(&c.keys);
    if (step == STEP_DONE)
        return OK;
    return fail_set(fail, ERR_BAD_JSON, "the JSON has %s at byte %zu", c.why,
                    (size_t)(c.where - start));
}

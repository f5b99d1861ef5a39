#include "llm/count.h"

#include "llm/image.h"
#include "llm/key.h"

enum {
    LETTER = 250,
    OTHER_ASCII = 400,
    NEAR = 600, /* below U+0600 */
    FAR = 1100,
    PER_MESSAGE = 3000,
    PER_NAME = 1000,
    REPLY_PRIMING = 3000
};

/* By lead byte: U+0600 starts with 0xD8, so the lead alone tells the class. */
/* clang-format off */
static const int16_t weights[256] = {
    [0x00 ... 0x08] = OTHER_ASCII, ['\t'] = LETTER,            ['\n'] = LETTER,
    [0x0B ... 0x0C] = OTHER_ASCII, ['\r'] = LETTER,            [0x0E ... 0x1F] = OTHER_ASCII,
    [' '] = LETTER,                ['!' ... '@'] = OTHER_ASCII, ['A' ... 'Z'] = LETTER,
    ['[' ... '`'] = OTHER_ASCII,   ['a' ... 'z'] = LETTER,      ['{' ... 0x7F] = OTHER_ASCII,
    [0xC0 ... 0xD7] = NEAR,        [0xD8 ... 0xFF] = FAR,
};
/* clang-format on */

void token_count_add(struct token_counter *c, struct str text)
{
    int64_t sum = 0;
    for (size_t i = 0; i < text.len; i++)
        sum += weights[(unsigned char)text.at[i]];
    c->millitokens += sum;
}

int64_t token_count_total(const struct token_counter *c)
{
    return (c->millitokens + 999) / 1000;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 0;
}

/* Weight of "\uXXXX"; the second half of a surrogate pair weighs nothing. */
static int unicode_weight(struct str escape)
{
    int code = 0;
    for (size_t i = 2; i < escape.len; i++)
        code = code << 4 | hex_value(escape.at[i]);
    if (code >= 0xDC00 && code < 0xE000)
        return 0;
    if (code >= 0x80)
        return code < 0x600 ? NEAR : FAR;
    return weights[code];
}

static void add_escape(struct token_counter *c, struct str *rest)
{
    char kind = rest->len > 1 ? rest->at[1] : '\0';
    size_t len = kind == 'u' ? 6 : 2;
    if (kind == 'u')
        c->millitokens += unicode_weight(str_first(*rest, len));
    else
        c->millitokens += kind == '"' || kind == '\\' || kind == '/' ? OTHER_ASCII : LETTER;
    *rest = str_skip(*rest, len);
}

void token_count_add_json(struct token_counter *c, struct str value)
{
    if (json_kind(value) != JSON_STRING || value.len < 2) {
        token_count_add(c, value);
        return;
    }
    struct str rest = str_make(value.at + 1, value.len - 2);
    while (rest.len) {
        struct str plain = str_first(rest, str_find_char(rest, '\\'));
        token_count_add(c, plain);
        rest = str_skip(rest, plain.len);
        if (rest.len)
            add_escape(c, &rest);
    }
}

static void add_part(struct token_counter *c, struct str part)
{
    struct str type = json_get(part, "type");
    if (str_is(type, "\"text\"")) {
        token_count_add_json(c, json_get(part, "text"));
        return;
    }
    struct str image = json_get(part, "image_url");
    struct str url = json_kind(image) == JSON_OBJECT ? json_get(image, "url") : image;
    bool is_low = str_is(json_get(image, "detail"), "\"low\"");
    c->millitokens += 1000 * image_tokens(url, is_low);
}

static void add_content(struct token_counter *c, struct str content)
{
    if (json_kind(content) != JSON_ARRAY) {
        if (!json_is_null(content))
            token_count_add_json(c, content);
        return;
    }
    struct json_iter it;
    struct str part;
    json_iter_init(&it, content);
    while (json_next_element(&it, &part))
        add_part(c, part);
}

static void add_message(struct token_counter *c, struct str message)
{
    struct json_iter it;
    struct str raw, value;
    json_iter_init(&it, message);
    while (json_next_member(&it, &raw, &value)) {
        struct key key = key_of(raw);
        if (KEY_IS(key, "content"))
            add_content(c, value);
        else if (!json_is_null(value))
            token_count_add_json(c, value);
        if (KEY_IS(key, "name"))
            c->millitokens += PER_NAME;
    }
}

int64_t token_count_messages(struct str messages)
{
    struct token_counter c = { .millitokens = REPLY_PRIMING };
    struct json_iter it;
    struct str message;
    json_iter_init(&it, messages);
    while (json_next_element(&it, &message)) {
        c.millitokens += PER_MESSAGE;
        add_message(&c, message);
    }
    return token_count_total(&c);
}

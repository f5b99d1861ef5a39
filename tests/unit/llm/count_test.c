#include "test.h"

#include "llm/count.h"
#include "llm/image.h"
#include "wire/base64.h"

static int64_t count(const char *text)
{
    struct token_counter c = { 0 };
    token_count_add(&c, str_of(text));
    return token_count_total(&c);
}

static int64_t count_json(const char *value)
{
    struct token_counter c = { 0 };
    token_count_add_json(&c, str_of(value));
    return c.millitokens;
}

TEST(each_class_of_characters_has_its_weight)
{
    CHECK_EQ(count(""), 0);
    CHECK_EQ(count("a"), 1);
    CHECK_EQ(count("abcd efg"), 2);
    CHECK_EQ(count("12345"), 2);                        /* 5 x 0.4 */
    CHECK_EQ(count("\xC3\xA9\xD0\x96\xCE\xB1"), 2);     /* accented, Cyrillic, Greek: 1.8 */
    CHECK_EQ(count("\xE4\xB8\xAD\xE6\x96\x87"), 3);     /* two CJK: 2.2 */
    CHECK_EQ(count("\xF0\x9F\x98\x80"), 2);             /* an emoji: 1.1 */
    CHECK_EQ(count("\xD8\xA7"), 2);                     /* Arabic, U+0627: 1.1 */
}

TEST(counting_while_text_passes_gives_the_same_sum)
{
    static const char text[] = "Gr\xC3\xBC\xC3\x9F dich, \xE4\xB8\xAD\xE6\x96\x87 42!";
    for (size_t split = 0; split < sizeof(text); split++) {
        struct token_counter c = { 0 };
        token_count_add(&c, str_make(text, split));
        token_count_add(&c, str_make(text + split, sizeof(text) - 1 - split));
        CHECK_EQ(token_count_total(&c), count(text));
    }
}

TEST(escapes_in_json_count_as_what_they_stand_for)
{
    CHECK_EQ(count_json("\"a\\nb\""), 750);
    CHECK_EQ(count_json("\"\\\"\\\\\""), 800);
    CHECK_EQ(count_json("\"\\u0061\\u00e9\\u4e2d\""), 250 + 600 + 1100);
    CHECK_EQ(count_json("\"\\ud83d\\ude00\""), 1100);
    CHECK_EQ(count_json("42"), 800);
}

TEST(messages_carry_their_overhead)
{
    /* 3 priming + 3 a message + user 1 + abcd 1 + name bob 0.75 + 1 */
    CHECK_EQ(token_count_messages(STR("[{\"role\":\"user\",\"content\":\"abcd\",\"name\":\"bob\"}]")), 10);
    CHECK_EQ(token_count_messages(STR("[]")), 3);
    CHECK_EQ(token_count_messages(STR("[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"abcd\"},"
                                      "{\"type\":\"image_url\",\"image_url\":{\"url\":\"x\",\"detail\":\"low\"}}]}]")),
             3 + 3 + 1 + 1 + 85);
}

static int64_t image_tokens_of(const unsigned char *header, size_t len)
{
    struct buf url = { 0 };
    buf_add(&url, STR("\"data:image/x;base64,"));
    base64_encode(str_make((const char *)header, len), &url);
    buf_add_char(&url, '"');
    int64_t tokens = image_tokens(buf_str(&url), false);
    buf_fini(&url);
    return tokens;
}
#define IMAGE_TOKENS(...) \
    image_tokens_of((const unsigned char[]) { __VA_ARGS__ }, sizeof((const unsigned char[]) { __VA_ARGS__ }))

TEST(images_cost_by_tiles_of_the_size_in_their_header)
{
    /* PNG 2048 x 4096 -> 768 x 1536 -> 6 tiles, the vendor's own example. */
    CHECK_EQ(IMAGE_TOKENS(0x89, 'P', 'N', 'G', 13, 10, 26, 10, 0, 0, 0, 13, 'I', 'H', 'D', 'R', 0, 0, 8, 0, 0, 0,
                          16, 0, 8, 6), 1105);
    CHECK_EQ(IMAGE_TOKENS('G', 'I', 'F', '8', '9', 'a', 0x00, 0x02, 0x01, 0x02, 0, 0), 85 + 2 * 170);
    CHECK_EQ(IMAGE_TOKENS(0xFF, 0xD8, 0xFF, 0xE0, 0, 4, 1, 2, 0xFF, 0xC0, 0, 11, 8, 0x00, 0x10, 0x00, 0x20, 3),
             85 + 170);
    CHECK_EQ(IMAGE_TOKENS('R', 'I', 'F', 'F', 0, 0, 0, 0, 'W', 'E', 'B', 'P', 'V', 'P', '8', 'X', 10, 0, 0, 0, 0, 0,
                          0, 0, 0xFF, 0x03, 0, 0xFF, 0x01, 0), 85 + 2 * 170);
    CHECK_EQ(IMAGE_TOKENS('R', 'I', 'F', 'F', 0, 0, 0, 0, 'W', 'E', 'B', 'P', 'V', 'P', '8', 'L', 10, 0, 0, 0, 0x2F,
                          0xFF, 0xC1, 0x7F, 0), 85 + 170);
    CHECK_EQ(IMAGE_TOKENS('R', 'I', 'F', 'F', 0, 0, 0, 0, 'W', 'E', 'B', 'P', 'V', 'P', '8', ' ', 10, 0, 0, 0, 0, 0,
                          0, 0x9D, 0x01, 0x2A, 0x01, 0x02, 0x00, 0x02), 85 + 2 * 170);
}

TEST(images_without_a_readable_size_cost_a_fixed_sum)
{
    CHECK_EQ(image_tokens(STR("\"https://example.org/a.png\""), false), 765);
    CHECK_EQ(image_tokens(STR("\"data:image/png;base64,\""), false), 765);
    CHECK_EQ(image_tokens(STR("\"data:image/png;base64,iVBORw0KGgo=\""), false), 765);
    CHECK_EQ(image_tokens(STR("\"data:image/png;base64,iVBORw\\/0KGgo\""), false), 765);
    CHECK_EQ(image_tokens(STR_NONE, false), 765);
    CHECK_EQ(IMAGE_TOKENS(0xFF, 0xD8, 0xFF, 0xE0, 0, 0, 1, 2), 765);
    CHECK_EQ(image_tokens(STR("\"https://example.org/a.png\""), true), 85);
}

RUN_TESTS(T(each_class_of_characters_has_its_weight), T(counting_while_text_passes_gives_the_same_sum),
          T(escapes_in_json_count_as_what_they_stand_for), T(messages_carry_their_overhead),
          T(images_cost_by_tiles_of_the_size_in_their_header),
          T(images_without_a_readable_size_cost_a_fixed_sum))

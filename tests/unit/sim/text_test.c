#include "test.h"

#include "sim/text.h"

TEST(four_bytes_are_a_token)
{
    CHECK_EQ(text_tokens(0), 0);
    CHECK_EQ(text_tokens(1), 1);
    CHECK_EQ(text_tokens(4), 1);
    CHECK_EQ(text_tokens(5), 2);
}

TEST(pieces_keep_characters_whole_and_are_never_empty)
{
    struct str text = STR("a\xF0\x9F\x98\x80\xC3\xA9\xE2\x82\xAC"
                          "bc\xF0\x9F\x98\x80");
    size_t begin = 0;
    for (int64_t k = 1; k <= text_tokens(text.len); k++) {
        size_t end = text_cut(text, k);
        CHECK(end > begin);
        CHECK(end == text.len || ((unsigned char)text.at[end] & 0xC0) != 0x80);
        CHECK(end <= (size_t)k * 4);
        begin = end;
    }
    CHECK_EQ(begin, text.len);
    CHECK_EQ(text_cut(text, 0), 0);
    CHECK_EQ(text_cut(text, 1000), text.len);
}

TEST(first_chars_counts_characters)
{
    CHECK_STR(text_first_chars(STR("\xC3\xA9t\xC3\xA9s"), 3), "\xC3\xA9t\xC3\xA9");
    CHECK_STR(text_first_chars(STR("abc"), 80), "abc");
}

TEST(words_depend_on_the_seed_alone)
{
    struct buf a = { 0 }, b = { 0 }, c = { 0 };
    uint64_t one = 1, same = 1, two = 2;
    text_add_words(&a, &one, 100);
    text_add_words(&b, &same, 100);
    text_add_words(&c, &two, 100);
    CHECK(a.len >= 100);
    CHECK(str_eq(buf_str(&a), buf_str(&b)));
    CHECK(!str_eq(buf_str(&a), buf_str(&c)));
    buf_fini(&a);
    buf_fini(&b);
    buf_fini(&c);
}

RUN_TESTS(T(four_bytes_are_a_token), T(pieces_keep_characters_whole_and_are_never_empty),
          T(first_chars_counts_characters), T(words_depend_on_the_seed_alone))

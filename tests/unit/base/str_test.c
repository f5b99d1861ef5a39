#include "test.h"

#include "base/str.h"

TEST(cut_walks_a_list_and_ends_with_no_pointer)
{
    struct str rest = STR("a,,b");
    CHECK_STR(str_cut(&rest, ','), "a");
    CHECK_STR(str_cut(&rest, ','), "");
    CHECK_STR(str_cut(&rest, ','), "b");
    CHECK(rest.at == NULL);
}

TEST(numbers_are_whole_text_or_nothing)
{
    int64_t n;
    CHECK_OK(str_to_i64(STR("-9223372036854775808"), &n));
    CHECK(n == INT64_MIN);
    CHECK_ERR(str_to_i64(STR("9223372036854775808"), &n), ERR_BAD_NUMBER);
    CHECK_ERR(str_to_i64(STR(""), &n), ERR_BAD_NUMBER);
    CHECK_ERR(str_to_i64(STR("-"), &n), ERR_BAD_NUMBER);
    CHECK_ERR(str_to_i64(STR("12 "), &n), ERR_BAD_NUMBER);
    CHECK_ERR(str_to_i64(STR("+1"), &n), ERR_BAD_NUMBER);
}

TEST(scaled_decimals_are_exact_or_refused)
{
    int64_t n;
    CHECK_OK(str_to_scaled(STR("0.0375"), 9, &n));
    CHECK_EQ(n, 37500000);
    CHECK_OK(str_to_scaled(STR("-1.5"), 9, &n));
    CHECK_EQ(n, -1500000000);
    CHECK_OK(str_to_scaled(STR("2.500000000000"), 9, &n));
    CHECK_EQ(n, 2500000000);
    CHECK_ERR(str_to_scaled(STR("0.0000000001"), 9, &n), ERR_BAD_NUMBER);
    CHECK_ERR(str_to_scaled(STR("1."), 9, &n), ERR_BAD_NUMBER);
    CHECK_ERR(str_to_scaled(STR(".5"), 9, &n), ERR_BAD_NUMBER);
    CHECK_ERR(str_to_scaled(STR("1e3"), 9, &n), ERR_BAD_NUMBER);
    CHECK_ERR(str_to_scaled(STR("99999999999"), 9, &n), ERR_BAD_NUMBER);
}

TEST(comparison_without_case_is_ascii_only)
{
    CHECK(str_eq_nocase(STR("Content-Type"), STR("content-type")));
    CHECK(!str_eq_nocase(STR("a["), STR("A{")));
    CHECK(str_contains_nocase(STR("please Write a POEM"), STR("poem")));
    CHECK(!str_contains_nocase(STR("po"), STR("poem")));
}

TEST(trim_and_affixes_hold_at_the_edges)
{
    CHECK_STR(str_trim(STR(" \t x y \r\n")), "x y");
    CHECK_STR(str_trim(STR("  ")), "");
    CHECK(str_starts(STR("abc"), STR("ab")) && !str_starts(STR("a"), STR("ab")));
    CHECK(str_ends(STR("abc"), STR("bc")) && !str_ends(STR("c"), STR("bc")));
    CHECK(str_find(STR("abcabc"), STR("ca")) == 2);
    CHECK(str_find(STR("abc"), STR("x")) == SIZE_MAX);
}

TEST(half_a_character_at_the_end_is_left_out)
{
    static const struct {
        const char *text, *whole;
    } cases[] = {
        { "", "" }, { "a", "a" }, { "a\xc3\xa9", "a\xc3\xa9" }, { "a\xc3", "a" }, { "\xc3", "" },
        { "a\xe6\x97\xa5", "a\xe6\x97\xa5" }, { "a\xe6\x97", "a" }, { "a\xe6", "a" },
        { "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80" }, { "x\xf0\x9f\x98", "x" }, { "x\xf0\x9f", "x" },
        { "x\xf0", "x" }, { "\x80\x80\x80\x80", "\x80\x80\x80\x80" }, { "\x80", "\x80" },
        { "\xff", "" }, { "\xc3\xa9\xc3", "\xc3\xa9" },
    };
    for (size_t i = 0; i < HZ_LEN(cases); i++)
        CHECK_STR(str_whole_characters(str_of(cases[i].text)), cases[i].whole);
}

RUN_TESTS(T(cut_walks_a_list_and_ends_with_no_pointer), T(numbers_are_whole_text_or_nothing),
          T(scaled_decimals_are_exact_or_refused), T(comparison_without_case_is_ascii_only),
          T(trim_and_affixes_hold_at_the_edges), T(half_a_character_at_the_end_is_left_out))

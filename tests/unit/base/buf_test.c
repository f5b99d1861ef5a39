#include "test.h"

#include "base/buf.h"

TEST(try_add_refuses_past_the_limit_and_adds_nothing)
{
    struct buf b = { .limit = 4 };
    CHECK_OK(buf_try_add(&b, STR("abc")));
    CHECK_ERR(buf_try_add(&b, STR("de")), ERR_TOO_LARGE);
    CHECK_OK(buf_try_add(&b, STR("d")));
    CHECK_STR(buf_str(&b), "abcd");
    buf_fini(&b);
}

TEST(json_strings_escape_controls_and_mend_utf8)
{
    struct buf b = { 0 };
    buf_add_json(&b, STR("a\"\\\n\x01 \xC3\xA9 \xFF \xED\xA0\x80"));
    CHECK_STR(buf_str(&b), "\"a\\\"\\\\\\n\\u0001 \xC3\xA9 \xEF\xBF\xBD "
                           "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
    buf_fini(&b);
}

TEST(json_strings_hold_nothing_that_a_terminal_or_a_reader_of_lines_obeys)
{
    struct buf b = { 0 };
    buf_add_json(&b, STR("\x7f \xC2\x80\xC2\x85\xC2\x9B\xC2\x9F \xC2\xA0 \xE2\x80\xA7\xE2\x80\xA8\xE2\x80\xA9\xE2\x80\xAA"));
    CHECK_STR(buf_str(&b), "\"\\u007f \\u0080\\u0085\\u009b\\u009f \xC2\xA0 \xE2\x80\xA7\\u2028\\u2029\xE2\x80\xAA\"");
    buf_fini(&b);
}

TEST(dollars_print_exactly)
{
    struct buf b = { 0 };
    buf_add_usd(&b, 37500);
    buf_add_char(&b, ' ');
    buf_add_usd(&b, -2500000000);
    buf_add_char(&b, ' ');
    buf_add_usd(&b, 3000000000);
    buf_add_char(&b, ' ');
    buf_add_usd(&b, 0);
    CHECK_STR(buf_str(&b), "0.0000375 -2.5 3 0");
    buf_fini(&b);
}

TEST(numbers_print_at_their_extremes)
{
    struct buf b = { 0 };
    buf_add_i64(&b, INT64_MIN);
    buf_add_char(&b, ' ');
    buf_add_i64(&b, 0);
    CHECK_STR(buf_str(&b), "-9223372036854775808 0");
    buf_fini(&b);
}

TEST(consume_drops_from_the_front)
{
    struct buf b = { 0 };
    buf_addf(&b, "%s %d", "hello", 42);
    buf_consume(&b, 6);
    CHECK_STR(buf_str(&b), "42");
    char *text = buf_take(&b);
    assert_string_equal(text, "42");
    CHECK(b.len == 0 && b.at == NULL);
    mem_free(text);
}

RUN_TESTS(T(try_add_refuses_past_the_limit_and_adds_nothing),
          T(json_strings_escape_controls_and_mend_utf8),
          T(json_strings_hold_nothing_that_a_terminal_or_a_reader_of_lines_obeys), T(dollars_print_exactly),
          T(numbers_print_at_their_extremes), T(consume_drops_from_the_front))

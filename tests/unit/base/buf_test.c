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
          T(json_strings_escape_controls_and_mend_utf8), T(dollars_print_exactly),
          T(numbers_print_at_their_extremes), T(consume_drops_from_the_front))

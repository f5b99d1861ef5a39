#include "test.h"

#include "wire/json.h"

static enum err checked(const char *text)
{
    /* On the heap without a final NUL, so that a byte read too many is seen by ASan. */
    size_t len = strlen(text);
    char *copy = mem_alloc(len + !len);
    memcpy(copy, text, len);
    struct fail fail = { 0 };
    enum err err = json_check(str_make(copy, len), &fail);
    CHECK_EQ(fail.err, err);
    mem_free(copy);
    return err;
}

static const char *const valid[] = {
    "null", " true\r\n", "\tfalse ", "0", "-0", "-0.5e+10", "12E-3", "1e999", "\"\"", "[]", "{}", "[ ]", "{ }",
    "[1,2,[3,{\"a\":null}]]", "{\"a\":1,\"b\":{\"a\":1,\"a\":2}}", "\"\\u00e9\\ud83d\\ude00\\n\\/\"",
    "\"\\ud800\"", "\"\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80 \xF4\x8F\xBF\xBF \xED\x9F\xBF\"", "\"\x7F\"",
    "\"a string that is longer than sixteen bytes, twice over, \xC3\xA9 and more\"",
    "{\"\":1,\" \":2}", "[0.0]", "[\"\\\\\"]", "[\"\\\\\\\"\"]",
};

static const char *const invalid[] = {
    "", " ", "nul", "nullx", "True", "tru", "01", "-", "+1", ".5", "1.", "1.e1", "1e", "1e+", "0x1", "--1", "\"",
    "\"a", "\"\\", "\"\\\"", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\u123", "\"a\nb\"", "\"\x01\"", "\"\x1f\"",
    "[", "]", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "[1}", "{", "}", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,",
    "{\"a\":1,}", "{a:1}", "{1:2}", "{\"a\" 1}", "{\"a\":1]", "{,}", "{\"a\":}", "1 2", "{}{}", "[] x", "/**/1",
    "'a'", "NaN", "Infinity", "\xEF\xBB\xBF{}",
    "\"\x80\"", "\"\xC0\x80\"", "\"\xC1\xBF\"", "\"\xC3\"", "\"\xC3x\"", "\"\xE0\x80\x80\"", "\"\xE2\x82\"",
    "\"\xED\xA0\x80\"", "\"\xF0\x80\x80\x80\"", "\"\xF0\x9F\x98\"", "\"\xF4\x90\x80\x80\"", "\"\xF5\x80\x80\x80\"",
    "\"\xFF\"", "\"a plain run of more than sixteen bytes and then \x80\"", "\"\xC3", "\"\xF0\x9F\x98",
    ("\xC2\xA0" "1"), "{\"a\":1}\x01",
};

TEST(valid_documents_pass)
{
    for (size_t i = 0; i < HZ_LEN(valid); i++)
        CHECK_OK(checked(valid[i]));
}

TEST(invalid_documents_are_refused)
{
    for (size_t i = 0; i < HZ_LEN(invalid); i++)
        CHECK_ERR(checked(invalid[i]), ERR_BAD_JSON);
    struct fail fail = { 0 };
    CHECK_ERR(json_check(STR_NONE, &fail), ERR_BAD_JSON);
    fail_clear(&fail);
    CHECK_ERR(json_check(STR("\"\0\""), &fail), ERR_BAD_JSON);
}

TEST(a_refusal_says_what_and_where)
{
    struct fail fail = { 0 };
    CHECK_ERR(json_check(STR("{\"a\": tru}"), &fail), ERR_BAD_JSON);
    assert_string_equal(fail.text, "the JSON has an unknown word at byte 6");
    fail_clear(&fail);
    CHECK_ERR(json_check(STR("[1,"), &fail), ERR_BAD_JSON);
    assert_string_equal(fail.text, "the JSON has an early end at byte 3");
}

TEST(every_proper_prefix_of_a_container_is_refused)
{
    struct str doc = STR("{\"k\\n\":[1.5e3,\"\xC3\xA9\\u00e9\",true,null,{}],\"z\":-1}");
    struct fail fail = { 0 };
    CHECK_OK(json_check(doc, &fail));
    for (size_t len = 0; len < doc.len; len++) {
        char *copy = mem_alloc(len + 1);
        memcpy(copy, doc.at, len);
        fail_clear(&fail);
        CHECK_ERR(json_check(str_make(copy, len), &fail), ERR_BAD_JSON);
        mem_free(copy);
    }
}

TEST(a_bad_byte_is_found_at_every_offset_of_a_string)
{
    static const char bad[] = { 0x01, '\n', (char)0x80, (char)0xFF };
    for (size_t len = 1; len < 70; len++) {
        char doc[80];
        memset(doc, 'x', sizeof(doc));
        doc[0] = doc[len + 1] = '"';
        for (size_t at = 1; at <= len; at++) {
            for (size_t i = 0; i < sizeof(bad); i++) {
                struct fail fail = { 0 };
                doc[at] = bad[i];
                CHECK_ERR(json_check(str_make(doc, len + 2), &fail), ERR_BAD_JSON);
            }
            doc[at] = 'x';
        }
        struct fail fail = { 0 };
        CHECK_OK(json_check(str_make(doc, len + 2), &fail));
    }
}

TEST(depth_ends_at_the_limit)
{
    char doc[2 * (JSON_DEPTH_MAX + 1) + 1];
    for (int depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
        memset(doc, '[', (size_t)depth);
        memset(doc + depth, ']', (size_t)depth);
        doc[2 * depth] = '\0';
        CHECK_ERR(checked(doc), depth > JSON_DEPTH_MAX ? ERR_BAD_JSON : OK);
    }
    char mixed[] = "[{\"a\":[{\"b\":[]}]}]";
    CHECK_OK(checked(mixed));
    mixed[strlen(mixed) - 2] = ']';
    CHECK_ERR(checked(mixed), ERR_BAD_JSON);
}

TEST(top_level_names_are_unique_once_decoded)
{
    CHECK_ERR(checked("{\"model\":1,\"x\":2,\"model\":3}"), ERR_BAD_JSON);
    CHECK_ERR(checked("{\"model\":1,\"\\u006dodel\":3}"), ERR_BAD_JSON);
    CHECK_ERR(checked("{\"m\\u006Fdel\":1,\"\\u006dodel\":3}"), ERR_BAD_JSON);
    CHECK_ERR(checked("{\"\xF0\x9F\x98\x80\":1,\"\\ud83d\\ude00\":3}"), ERR_BAD_JSON);
    CHECK_ERR(checked("{\"\":1,\"\":3}"), ERR_BAD_JSON);
    CHECK_OK(checked("{\"model\":1,\"Model\":2,\"model \":3,\"mode\":4}"));
    CHECK_OK(checked("[{\"a\":1},{\"a\":1,\"a\":2}]"));
}

static char *many_keys(int count, int last)
{
    struct buf b = { 0 };
    buf_add_char(&b, '{');
    for (int i = 0; i < count; i++)
        buf_addf(&b, "%s\"key-%d\":%d", i ? "," : "", i == count - 1 ? last : i, i);
    buf_add_char(&b, '}');
    return buf_take(&b);
}

TEST(many_top_level_names_are_compared_too_and_bounded)
{
    static const struct {
        int count, last;
        enum err err;
    } cases[] = {
        { 33, 32, OK }, { 33, 0, ERR_BAD_JSON }, { 100, 40, ERR_BAD_JSON }, { 100, 5, ERR_BAD_JSON },
        { JSON_TOP_KEYS_MAX, JSON_TOP_KEYS_MAX, OK }, { JSON_TOP_KEYS_MAX + 1, 9999, ERR_BAD_JSON },
    };
    for (size_t i = 0; i < HZ_LEN(cases); i++) {
        char *doc = many_keys(cases[i].count, cases[i].last);
        CHECK_ERR(checked(doc), cases[i].err);
        mem_free(doc);
    }
    char doc[JSON_TOP_KEY_BYTES + 10];
    for (int len = JSON_TOP_KEY_BYTES; len <= JSON_TOP_KEY_BYTES + 1; len++) {
        snprintf(doc, sizeof(doc), "{\"%0*d\":1}", len, 0);
        CHECK_ERR(checked(doc), len > JSON_TOP_KEY_BYTES ? ERR_BAD_JSON : OK);
    }
}

TEST(members_and_elements_come_as_trimmed_slices)
{
    struct str doc = STR(" { \"a\" : [ 1 , \"]}\\\"\" , { } ] ,\n\"b\\n\":{\"c\":null}, \"d\" :-1.5 } ");
    struct json_iter it;
    struct str key, value;
    json_iter_init(&it, doc);
    CHECK(json_next_member(&it, &key, &value));
    CHECK_STR(key, "\"a\"");
    CHECK_STR(value, "[ 1 , \"]}\\\"\" , { } ]");
    struct json_iter inner;
    struct str element;
    json_iter_init(&inner, value);
    CHECK(json_next_element(&inner, &element));
    CHECK_STR(element, "1");
    CHECK(json_next_element(&inner, &element));
    CHECK_STR(element, "\"]}\\\"\"");
    CHECK(json_next_element(&inner, &element));
    CHECK_STR(element, "{ }");
    CHECK(!json_next_element(&inner, &element));
    CHECK(!json_next_element(&inner, &element));
    CHECK(json_next_member(&it, &key, &value));
    CHECK_STR(key, "\"b\\n\"");
    CHECK_STR(value, "{\"c\":null}");
    CHECK(json_next_member(&it, &key, &value));
    CHECK_STR(value, "-1.5");
    CHECK(!json_next_member(&it, &key, &value));
}

TEST(walking_the_wrong_kind_finds_nothing)
{
    static const char *const texts[] = { "", "1", "\"a\"", "null", "[]", "{}", "[", "{", "{\"a", "{\"a\"", "[\"" };
    for (size_t i = 0; i < HZ_LEN(texts); i++) {
        struct json_iter it;
        struct str key, value;
        json_iter_init(&it, str_of(texts[i]));
        CHECK(!json_next_member(&it, &key, &value));
    }
    struct json_iter it;
    struct str value;
    json_iter_init(&it, STR("{\"a\":1}"));
    CHECK(!json_next_element(&it, &value));
    json_iter_init(&it, STR_NONE);
    CHECK(!json_next_element(&it, &value));
    CHECK(json_get(STR("[1]"), "a").at == NULL);
    CHECK(json_get(STR_NONE, "a").at == NULL);
}

TEST(lookups_resolve_escapes_and_paths)
{
    struct str doc = STR("{\"us\\u0061ge\":{\"d\":{\"cached\":7}},\"x\":\"usage\",\"a\\\\b\":2}");
    CHECK_STR(json_path(doc, "usage.d.cached"), "7");
    CHECK(json_path(doc, "usage.e.cached").at == NULL);
    CHECK(json_path(doc, "usage.d.cached.more").at == NULL);
    CHECK_STR(json_get(doc, "x"), "\"usage\"");
    CHECK_STR(json_get(doc, "a\\b"), "2");
    CHECK(json_get(doc, "a\\\\b").at == NULL);
    CHECK(json_get(doc, "us").at == NULL);
    CHECK(json_key_is(STR("\"\\ud83d\\ude00\""), "\xF0\x9F\x98\x80"));
    CHECK(!json_key_is(STR("\"a\\nb\""), "a\\nb"));
    CHECK(json_key_is(STR("\"\""), ""));
}

TEST(strings_decode_and_borrow_where_they_can)
{
    struct arena a = { 0 };
    struct str plain = STR("\"pl\xC3\xA4in\"");
    CHECK(json_to_str(&a, plain).at == plain.at + 1);
    CHECK_STR(json_to_str(&a, plain), "pl\xC3\xA4in");
    CHECK_STR(json_to_str(&a, STR("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u20ac\\uD83D\\uDE00 end\"")),
              "\"\\/\b\f\n\r\t\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80 end");
    CHECK_STR(json_to_str(&a, STR("\"\\ud83dx\\ude00\\ud83d\\ud83d\\ude00\\ud83d\"")),
              "\xEF\xBF\xBDx\xEF\xBF\xBD\xEF\xBF\xBD\xF0\x9F\x98\x80\xEF\xBF\xBD");
    struct str with_nul = json_to_str(&a, STR("\"a\\u0000b\""));
    CHECK(str_eq(with_nul, STR("a\0b")));
    CHECK(json_to_str(&a, STR("12")).at == NULL);
    CHECK(json_to_str(&a, STR_NONE).at == NULL);
    CHECK(json_to_str(&a, STR("\"\"")).at != NULL);
    struct buf b = { 0 };
    CHECK(json_str_append(STR("\"\""), &b));
    CHECK(json_str_append(STR("\"x\\ty\""), &b));
    CHECK(!json_str_append(STR("null"), &b));
    CHECK_STR(buf_str(&b), "x\ty");
    buf_fini(&b);
    arena_fini(&a);
}

TEST(halves_of_characters_are_found_at_the_ends_and_within)
{
    static const struct {
        const char *value;
        bool has_first, has_last, has_within;
    } cases[] = {
        { "\"\"", false, false, false },
        { "\"a\\n\\u00e9\\ud83d\\ude00b\"", false, false, false },
        { "\"a\\ud83d\"", false, true, false },
        { "\"\\uDE00a\"", true, false, false },
        { "\"\\ude00\\ud83d\"", true, true, false },
        { "\"\\ud83d\\ud83d\\ude00\"", false, false, true },
        { "\"\\ud83da\"", false, false, true },
        { "\"a\\ude00\"", false, false, true },
        { "\"\\\\ud83d\"", false, false, false },
        { "null", false, false, false },
    };
    for (size_t i = 0; i < HZ_LEN(cases); i++) {
        struct json_halves found = json_find_halves(str_of(cases[i].value));
        CHECK_EQ(found.has_first, cases[i].has_first);
        CHECK_EQ(found.has_last, cases[i].has_last);
        CHECK_EQ(found.has_within, cases[i].has_within);
    }
}

TEST(whole_numbers_are_read_in_every_spelling)
{
    static const struct {
        const char *text;
        bool is_whole;
        int64_t value;
    } cases[] = {
        { "0", true, 0 }, { "-0", true, 0 }, { "12", true, 12 }, { "-7", true, -7 }, { "12.0", true, 12 },
        { "1e3", true, 1000 }, { "1.5E1", true, 15 }, { "1200e-2", true, 12 }, { "0e999999999999999999", true, 0 },
        { "0.00", true, 0 }, { "9223372036854775807", true, INT64_MAX }, { "-9223372036854775808", true, INT64_MIN },
        { "922337203685477580.7e1", true, INT64_MAX }, { "1.00000000000000000000000000000", true, 1 },
        { "100000000000000000000000e-20", true, 1000 }, { "9223372036854775808", false, 0 },
        { "-9223372036854775809", false, 0 }, { "1.5", false, 0 }, { "1e-1", false, 0 }, { "1e19", false, 0 },
        { "1e99999999999999999999", false, 0 }, { "18446744073709551616", false, 0 },
        { "0.00000000000000000001", false, 0 }, { "\"1\"", false, 0 }, { "true", false, 0 }, { "", false, 0 },
        { "-", false, 0 }, { "1e", false, 0 },
    };
    for (size_t i = 0; i < HZ_LEN(cases); i++) {
        int64_t got = 0;
        CHECK_EQ(json_to_i64(str_of(cases[i].text), &got), cases[i].is_whole);
        CHECK_EQ(got, cases[i].value);
    }
}

TEST(kinds_and_lengths)
{
    CHECK_EQ(json_kind(STR("null")), JSON_NULL);
    CHECK_EQ(json_kind(STR("false")), JSON_BOOL);
    CHECK_EQ(json_kind(STR("-1")), JSON_NUMBER);
    CHECK_EQ(json_kind(STR("\"")), JSON_STRING);
    CHECK_EQ(json_kind(STR("[")), JSON_ARRAY);
    CHECK_EQ(json_kind(STR("{")), JSON_OBJECT);
    CHECK_EQ(json_kind(STR_NONE), JSON_NONE);
    CHECK_EQ(json_kind(STR("x")), JSON_NONE);
    CHECK_EQ(json_len(STR("[1,[2,3],{\"a\":4}]")), 3);
    CHECK_EQ(json_len(STR("{\"a\":[1,2],\"b\":{}}")), 2);
    CHECK_EQ(json_len(STR("[]")), 0);
    CHECK_EQ(json_len(STR("7")), 0);
    CHECK(json_is_null(STR("null")) && json_is_null(STR_NONE) && !json_is_null(STR("0")));
    CHECK(json_is_true(STR("true")) && !json_is_true(STR("\"true\"")));
}

RUN_TESTS(T(valid_documents_pass), T(invalid_documents_are_refused), T(a_refusal_says_what_and_where),
          T(every_proper_prefix_of_a_container_is_refused),
          T(a_bad_byte_is_found_at_every_offset_of_a_string), T(depth_ends_at_the_limit),
          T(top_level_names_are_unique_once_decoded), T(many_top_level_names_are_compared_too_and_bounded),
          T(members_and_elements_come_as_trimmed_slices), T(walking_the_wrong_kind_finds_nothing),
          T(lookups_resolve_escapes_and_paths), T(strings_decode_and_borrow_where_they_can),
          T(halves_of_characters_are_found_at_the_ends_and_within),
          T(whole_numbers_are_read_in_every_spelling), T(kinds_and_lengths))

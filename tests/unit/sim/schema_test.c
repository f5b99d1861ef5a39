#include "test.h"

#include "sim/schema.h"
#include "wire/json.h"

static const struct {
    const char *schema, *document;
} cases[] = {
    { "{\"type\":\"string\"}", "\"simulated\"" },
    { "{\"type\":\"string\",\"minLength\":12,\"maxLength\":20}", "\"simulatedsim\"" },
    { "{\"type\":\"string\",\"maxLength\":3}", "\"sim\"" },
    { "{\"type\":\"string\",\"format\":\"date\"}", "\"2026-01-01\"" },
    { "{\"type\":\"integer\"}", "1" },
    { "{\"type\":\"integer\",\"minimum\":5,\"maximum\":9}", "5" },
    { "{\"type\":\"number\",\"exclusiveMinimum\":3}", "4" },
    { "{\"type\":\"number\",\"maximum\":0.5}", "0.5" },
    { "{\"type\":\"boolean\"}", "true" },
    { "{\"type\":\"null\"}", "null" },
    { "{\"type\":[\"integer\",\"null\"]}", "1" },
    { "{\"enum\":[\"red\",\"blue\"]}", "\"red\"" },
    { "{\"const\":{\"a\":1}}", "{\"a\":1}" },
    { "{\"type\":\"array\",\"items\":{\"type\":\"integer\"}}", "[1]" },
    { "{\"type\":\"array\",\"items\":{\"type\":\"boolean\"},\"minItems\":3}", "[true,true,true]" },
    { "{\"type\":\"array\",\"maxItems\":0}", "[]" },
    { "{\"type\":\"object\"}", "{}" },
    { "{\"properties\":{\"a\":{\"type\":\"integer\"},\"b\":{\"type\":\"string\"}},\"required\":["
      "\"a\"]}",
      "{\"a\":1}" },
    { "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"object\",\"properties\":{\"b\":{"
      "\"type\":\"array\","
      "\"items\":{\"enum\":[2]}}},\"required\":[\"b\"]},\"c\":{\"type\":\"null\"}},\"required\":["
      "\"a\",\"c\"]}",
      "{\"a\":{\"b\":[2]},\"c\":null}" },
    { "{\"anyOf\":[{\"type\":\"integer\"},{\"type\":\"null\"}]}", "1" },
    { "{\"$defs\":{\"x\":{\"type\":\"boolean\"}},\"$ref\":\"#/$defs/x\"}", "true" },
    { "{\"type\":\"object\",\"properties\":{\"q\\\"\":{\"type\":\"integer\"}},\"required\":["
      "\"q\\\"\"]}",
      "{\"q\\\"\":1}" },
};

TEST(documents_satisfy_their_schema)
{
    for (size_t i = 0; i < HZ_LEN(cases); i++) {
        struct arena arena = { 0 };
        struct buf out = { 0 };
        struct fail fail = { 0 };
        CHECK_OK(json_check(str_of(cases[i].schema), &fail));
        schema_fill(&arena, str_of(cases[i].schema), &out);
        CHECK_STR(buf_str(&out), cases[i].document);
        buf_fini(&out);
        arena_fini(&arena);
    }
}

TEST(a_schema_that_contains_itself_ends_in_null)
{
    struct str schema = STR(
        "{\"$defs\":{\"n\":{\"type\":\"object\",\"properties\":{\"next\":{\"$ref\":\"#/$defs/n\"}},"
        "\"required\":[\"next\"]}},\"$ref\":\"#/$defs/n\"}");
    struct arena arena = { 0 };
    struct buf out = { 0 };
    struct fail fail = { 0 };
    schema_fill(&arena, schema, &out);
    CHECK_OK(json_check(buf_str(&out), &fail));
    CHECK(str_find(buf_str(&out), STR("null")) != SIZE_MAX);
    buf_fini(&out);
    arena_fini(&arena);
}

TEST(nested_lists_do_not_explode)
{
    struct buf schema = { 0 }, out = { 0 };
    struct arena arena = { 0 };
    struct fail fail = { 0 };
    for (int i = 0; i < 20; i++)
        buf_add(&schema, STR("{\"type\":\"array\",\"minItems\":16,\"items\":"));
    buf_add(&schema, STR("{\"type\":\"integer\"}"));
    for (int i = 0; i < 20; i++)
        buf_add_char(&schema, '}');
    schema_fill(&arena, buf_str(&schema), &out);
    CHECK(out.len < 2 << 20);
    CHECK_OK(json_check(buf_str(&out), &fail));
    buf_fini(&schema);
    buf_fini(&out);
    arena_fini(&arena);
}

RUN_TESTS(T(documents_satisfy_their_schema), T(a_schema_that_contains_itself_ends_in_null),
          T(nested_lists_do_not_explode))

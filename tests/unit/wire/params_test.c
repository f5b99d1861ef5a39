#include "test.h"

#include "wire/params.h"

static enum err read_value(const char *value, struct params *out)
{
    struct fail fail = { 0 };
    enum err err = params_read(str_of(value), out, &fail);
    CHECK_EQ(fail.err, err);
    return err;
}

TEST(tokens_quoted_text_and_empty_parameters_are_read)
{
    struct params p;
    CHECK_OK(read_value("form-data ;a=b\t; C=\"d;\\\"e=\"; ;;f=\"\" ", &p));
    CHECK_STR(p.type, "form-data");
    CHECK_EQ(p.len, 3);
    CHECK_STR(params_get(&p, STR("A")), "b");
    CHECK_STR(params_get(&p, STR("c")), "d;\\\"e=");
    CHECK(params_get(&p, STR("f")).at && params_get(&p, STR("f")).len == 0);
    CHECK(!params_get(&p, STR("d")).at);
    CHECK_OK(read_value("", &p));
    CHECK(p.type.len == 0 && p.len == 0);
    CHECK_OK(read_value(" a/b ", &p));
    CHECK_STR(p.type, "a/b");
}

TEST(malformed_values_are_refused)
{
    static const char *const bad[] = {
        "t; a",       "t; a=",       "t; =b",          "t; a =b",        "t; a= b",       "t; a=b c",
        "t; a=\"b",   "t; a=\"b\\",  "t; a=\"b\\\"",   "t; a=\"b\"c",    "t; a=\"b\" c",  "t; a=\"",
        "t; a=b\"c\"", "t; a=b, c=d", "t; a=(b)",      "t; a=b; A=c",    "t; a=\"\"; a=", "t; a*=b",
        "t; a*0=b",   "t; a=b\r\n",  "t\r\n; a=b",     "t; a=\"\x01\"",  "t; \xC3=b",     "t; a=\xC3",
        "t; a=b;\x7F", "t; a==b",
    };
    struct params p;
    for (size_t i = 0; i < HZ_LEN(bad); i++)
        CHECK_ERR(read_value(bad[i], &p), ERR_BAD_REQUEST);
}

TEST(parameters_are_counted)
{
    struct buf b = { 0 };
    struct params p;
    buf_add(&b, STR("t"));
    for (int i = 0; i < PARAMS_MAX; i++)
        buf_addf(&b, "; p%d=%d", i, i);
    struct fail fail = { 0 };
    CHECK_OK(params_read(buf_str(&b), &p, &fail));
    CHECK_STR(params_get(&p, STR("p15")), "15");
    buf_add(&b, STR("; more=1"));
    CHECK_ERR(params_read(buf_str(&b), &p, &fail), ERR_BAD_REQUEST);
    buf_fini(&b);
}

RUN_TESTS(T(tokens_quoted_text_and_empty_parameters_are_read), T(malformed_values_are_refused),
          T(parameters_are_counted))

#include "test.h"

#include "config/prices.h"

#define HEADER                                                                         \
    "provider,model,input_usd_per_mtok,output_usd_per_mtok,cached_input_usd_per_mtok," \
    "context_tokens,max_output_tokens,source\n"

static struct price_list *load(const char *csv, struct buf *errors)
{
    buf_clear(errors);
    return price_list_load(str_of(csv), "p.csv", errors);
}

TEST(rows_are_found_without_case)
{
    struct buf errors = { 0 };
    struct price_list *list = load(
        HEADER "azure_ai,Phi-4,0.125,0.5,,1,2,\"a \"\"b\"\", c\"\r\nopenai,gpt-4o,2.5,10,1.25\n",
        &errors);
    CHECK(list);
    const struct price *phi = price_list_find(list, STR("AZURE_AI"), STR("phi-4"));
    CHECK_EQ(phi->input_nusd_per_mtok, 125000000);
    CHECK_EQ(phi->output_nusd_per_mtok, 500000000);
    CHECK_EQ(phi->cached_nusd_per_mtok, PRICE_NONE);
    CHECK_EQ(price_list_find(list, STR("openai"), STR("gpt-4o"))->cached_nusd_per_mtok, 1250000000);
    CHECK(price_list_find(list, STR("openai"), STR("phi-4")) == NULL);
    CHECK(price_list_find(list, STR(""), STR("phi-4")) == phi);
    price_list_destroy(list);
    buf_fini(&errors);
}

TEST(every_bad_line_is_named)
{
    struct buf errors = { 0 };
    CHECK(!load(HEADER "a,m,1,x,\na,n,-1,2,\na,o,1\n,p,1,2,\na,q,1,2,,3,4,s,t\n"
                       "a,\"r,1,2,\na,\"s\"x,1,2,\na,m2,1,2,\na,M2,1,2,\n",
                &errors));
    for (int line = 2; line <= 8; line++) {
        char start[16];
        snprintf(start, sizeof(start), "p.csv:%d: ", line);
        if (str_find(buf_str(&errors), str_of(start)) == SIZE_MAX)
            fail_msg("line %d is not named in %.*s", line, STR_ARG(buf_str(&errors)));
    }
    CHECK(str_find(buf_str(&errors), STR("p.csv:9:")) == SIZE_MAX);
    CHECK(str_find(buf_str(&errors), STR("p.csv:10: this provider and model")) != SIZE_MAX);
    CHECK(str_find(buf_str(&errors), STR("p.csv:2: output_usd_per_mtok: 'x' is not a price")) !=
          SIZE_MAX);
    CHECK(!load("provider,model\n", &errors));
    CHECK(!load("", &errors) && errors.len > 0);
    buf_fini(&errors);
}

TEST(rows_with_a_suffix_are_similar)
{
    struct buf errors = { 0 }, names = { 0 };
    struct price_list *list =
        load(HEADER "a,m@x,1,2,\na,m@y,1,2,\nb,m@z,1,2,\na,mm@x,1,2,\n", &errors);
    price_list_similar(list, STR("a"), STR("M"), &names);
    CHECK_STR(buf_str(&names), "m@x, m@y");
    price_list_destroy(list);
    buf_fini(&names);
    buf_fini(&errors);
}

RUN_TESTS(T(rows_are_found_without_case), T(every_bad_line_is_named),
          T(rows_with_a_suffix_are_similar))

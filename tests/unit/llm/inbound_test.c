#include "fixture.h"

#define HEAD "\"id\":\"c1\",\"object\":\"chat.completion\",\"created\":1700000001,\"model\":\"gpt-4o-2024-11-20\","
#define USAGE "\"usage\":{\"prompt_tokens\":14,\"completion_tokens\":2,\"total_tokens\":16}"
#define CHOICE(message, finish) "\"choices\":[{\"index\":0,\"message\":" message ",\"finish_reason\":" finish "}],"
#define SAID "{\"role\":\"assistant\",\"content\":\"Four.\"}"

static enum err answer_to(struct fixture *f, enum llm_operation operation, const char *body)
{
    fail_clear(&f->fail);
    buf_clear(&f->out);
    f->request.operation = operation;
    enum err err = llm_answer_read(&f->arena, &f->request, &f->deployment, &f->options, str_of(body),
                                   &f->out, &f->answer, &f->fail);
    struct fail fail = { 0 };
    if (!err)
        CHECK_OK(json_check(buf_str(&f->out), &fail));
    return err;
}

static void check_answer(struct fixture *f, const char *body, const char *expected)
{
    CHECK_OK(answer_to(f, LLM_CHAT, body));
    CHECK_STR(buf_str(&f->out), expected);
}

TEST(an_answer_in_order_is_passed_on_byte_for_byte)
{
    static const char azure[] =
        "{\"id\":\"chatcmpl-x1\",\"object\":\"chat.completion\",\"created\":1795219200,\"model\":\"gpt-4o-2024-11-20\","
        "\n \"prompt_filter_results\":[{\"prompt_index\":0,\"content_filter_results\":{\"hate\":{\"filtered\":false,\"severity\":\"safe\"}}}],"
        "\"choices\":[{\"index\":0,\"finish_reason\":\"stop\",\"logprobs\":null,\"message\":{\"role\":\"assistant\",\"content\":\"Four.\",\"refusal\":null},"
        "\"content_filter_results\":{\"hate\":{\"filtered\":false}}}],"
        "\"usage\":{\"prompt_tokens\":14,\"completion_tokens\":2,\"total_tokens\":16,\"prompt_tokens_details\":{\"cached_tokens\":8},"
        "\"completion_tokens_details\":{\"reasoning_tokens\":1}}}";
    static struct fixture f;
    fixture_init(&f, DIALECT_AZURE_OPENAI);
    check_answer(&f, azure, azure);
    CHECK(f.answer.has_usage && !f.answer.is_content_filter);
    CHECK_EQ(f.answer.usage.input_tokens, 14);
    CHECK_EQ(f.answer.usage.cached_tokens, 8);
    CHECK_EQ(f.answer.usage.output_tokens, 2);
    CHECK_EQ(f.answer.usage.reasoning_tokens, 1);
    CHECK_STR(f.answer.finish_reason, "stop");
    CHECK_STR(f.answer.response_model, "gpt-4o-2024-11-20");
    fixture_fini(&f);
}

TEST(think_tags_become_reasoning_content)
{
    static struct fixture f;
    fixture_init(&f, DIALECT_FOUNDRY_MODELS);
    f.deployment.caps.reasoning = REASONING_THINK_TAG;
    check_answer(&f, "{" HEAD CHOICE("{\"role\":\"assistant\",\"content\":\"<think>\\nHm \\\"x\\\"\\n</think>\\n\\nYes\"}", "\"stop\"") USAGE "}",
                 "{" HEAD CHOICE("{\"role\":\"assistant\",\"reasoning_content\":\"Hm \\\"x\\\"\\n\",\"content\":\"Yes\"}", "\"stop\"") USAGE "}");
    check_answer(&f, "{" HEAD CHOICE("{\"content\":\"<think>Hm\",\"reasoning_content\":null}", "\"length\"") USAGE "}",
                 "{" HEAD CHOICE("{\"reasoning_content\":\"Hm\",\"content\":\"\"}", "\"length\"") USAGE "}");
    check_answer(&f, "{" HEAD CHOICE("{\"content\":\"<think> is a tag\",\"reasoning_content\":\"r\"}", "\"stop\"") USAGE "}",
                 "{" HEAD CHOICE("{\"content\":\"<think> is a tag\",\"reasoning_content\":\"r\"}", "\"stop\"") USAGE "}");
    check_answer(&f, "{" HEAD CHOICE("{\"content\":\"plain\"}", "\"stop\"") USAGE "}",
                 "{" HEAD CHOICE("{\"content\":\"plain\"}", "\"stop\"") USAGE "}");
    f.deployment.caps.reasoning = REASONING_THINK_TAG_OPEN;
    check_answer(&f, "{" HEAD CHOICE("{\"content\":\"a</think>b\"}", "\"stop\"") USAGE "}",
                 "{" HEAD CHOICE("{\"reasoning_content\":\"a\",\"content\":\"b\"}", "\"stop\"") USAGE "}");
    f.deployment.caps.reasoning = REASONING_NONE;
    check_answer(&f, "{" HEAD CHOICE("{\"content\":\"<think>a</think>b\"}", "\"stop\"") USAGE "}",
                 "{" HEAD CHOICE("{\"content\":\"<think>a</think>b\"}", "\"stop\"") USAGE "}");
    fixture_fini(&f);
}

TEST(reasoning_in_parts_becomes_reasoning_content)
{
    static struct fixture f;
    fixture_init(&f, DIALECT_OPENAI);
    check_answer(&f, "{" HEAD CHOICE("{\"content\":[{\"type\":\"thinking\",\"thinking\":[{\"type\":\"text\",\"text\":\"Hm\"}]},"
                                     "{\"type\":\"text\",\"text\":\"Yes\"}]}", "\"stop\"") USAGE "}",
                 "{" HEAD CHOICE("{\"reasoning_content\":\"Hm\",\"content\":\"Yes\"}", "\"stop\"") USAGE "}");
    check_answer(&f, "{" HEAD CHOICE("{\"content\":[{\"type\":\"new\"}]}", "\"stop\"") USAGE "}",
                 "{" HEAD CHOICE("{\"content\":[{\"type\":\"new\"}]}", "\"stop\"") USAGE "}");
    fixture_fini(&f);
}

TEST(tool_calls_come_in_the_form_that_clients_parse)
{
    static struct fixture f;
    fixture_init(&f, DIALECT_FOUNDRY_MODELS);
    check_answer(&f, "{" HEAD CHOICE("{\"content\":\"x\",\"tool_calls\":null}", "\"stop\"") USAGE "}",
                 "{" HEAD CHOICE("{\"content\":\"x\"}", "\"stop\"") USAGE "}");
    check_answer(&f, "{" HEAD CHOICE("{\"content\":null,\"tool_calls\":[{\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"f\","
                                     "\"arguments\":{\"n\":\"\\\"\"},\"call_id\":null}},{\"id\":\"b\",\"function\":{\"call_id\":null,\"arguments\":null}}]}", "\"\"") USAGE "}",
                 "{" HEAD CHOICE("{\"content\":null,\"tool_calls\":[{\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"f\","
                                 "\"arguments\":\"{\\\"n\\\":\\\"\\\\\\\"\\\"}\"}},{\"id\":\"b\",\"function\":{\"arguments\":\"{}\"}}]}", "\"tool_calls\"") USAGE "}");
    CHECK_STR(f.answer.finish_reason, "tool_calls");
    fixture_fini(&f);
}

TEST(finish_reasons_become_those_of_openai)
{
    static const struct {
        const char *raw, *normal;
    } cases[] = {
        { "null", "stop" }, { "\"\"", "stop" }, { "\"eos\"", "stop" }, { "\"end_turn\"", "stop" },
        { "\"model_length\"", "length" }, { "\"max_tokens\"", "length" }, { "\"tool_use\"", "tool_calls" },
        { "\"length\"", "length" }, { "\"something_new\"", "something_new" },
    };
    static struct fixture f;
    fixture_init(&f, DIALECT_OPENAI);
    for (size_t i = 0; i < HZ_LEN(cases); i++) {
        static char body[400], expected[400];
        snprintf(body, sizeof(body), "{" HEAD CHOICE(SAID, "%s") USAGE "}", cases[i].raw);
        snprintf(expected, sizeof(expected), "{" HEAD CHOICE(SAID, "\"%s\"") USAGE "}", cases[i].normal);
        check_answer(&f, body, expected);
        CHECK_STR(f.answer.finish_reason, cases[i].normal);
    }
    check_answer(&f, "{" HEAD "\"choices\":[{\"message\":" SAID "}]," USAGE "}",
                 "{" HEAD "\"choices\":[{\"message\":" SAID ",\"index\":0,\"finish_reason\":\"stop\"}]," USAGE "}");
    fixture_fini(&f);
}

TEST(an_answer_that_the_provider_gave_up_is_none_but_its_usage_is_known)
{
    static struct fixture f;
    fixture_init(&f, DIALECT_OPENAI);
    CHECK_ERR(answer_to(&f, LLM_CHAT, "{" HEAD CHOICE(SAID, "\"abort\"") USAGE "}"), ERR_UPSTREAM_BROKEN);
    CHECK(f.answer.has_usage && f.answer.usage.input_tokens == 14 && f.out.len == 0);
    fixture_fini(&f);
}

TEST(a_refusal_by_the_content_filter_is_an_answer)
{
    static struct fixture f;
    fixture_init(&f, DIALECT_AZURE_OPENAI);
    check_answer(&f, "{" HEAD "\"choices\":[{\"index\":0,\"finish_reason\":\"content_filter\",\"content_filter_results\":{}}]," USAGE "}",
                 "{" HEAD "\"choices\":[{\"index\":0,\"finish_reason\":\"content_filter\",\"content_filter_results\":{},"
                 "\"message\":{\"role\":\"assistant\",\"content\":null}}]," USAGE "}");
    CHECK(f.answer.is_content_filter);
    fixture_fini(&f);
}

TEST(what_strict_clients_miss_is_added)
{
    static struct fixture f;
    fixture_init(&f, DIALECT_OPENAI);
    f.options.is_simulated = true;
    f.options.id = STR("chatcmpl-9");
    check_answer(&f, "{" CHOICE(SAID, "\"stop\"") "\"created\":17.5 }",
                 "{" CHOICE(SAID, "\"stop\"") "\"created\":17,\"id\":\"chatcmpl-9\",\"object\":\"chat.completion\",\"model\":\"m\",\"simulated\":true }");
    check_answer(&f, "{\"id\":\"\",\"object\":\"\",\"created\":null,\"model\":null," CHOICE(SAID, "\"stop\"") "\"usage\":null}",
                 "{\"id\":\"chatcmpl-9\",\"object\":\"chat.completion\",\"created\":1700000000,\"model\":\"m\"," CHOICE(SAID, "\"stop\"")
                 "\"usage\":null,\"simulated\":true}");
    fixture_fini(&f);
}

TEST(usage_that_cannot_be_true_is_neither_believed_nor_passed_on)
{
    static const struct {
        const char *usage, *absurd;
    } cases[] = {
        { "{\"prompt_tokens\":-5,\"completion_tokens\":9}", "\"prompt_tokens\":-5" },
        { "{\"prompt_tokens\":5,\"completion_tokens\":2147483648}", "\"completion_tokens\":2147483648" },
        { "{\"prompt_tokens\":5,\"completion_tokens\":9223372036854775807}", "\"completion_tokens\":9223372036854775807" },
        { "{\"input_tokens\":1e30,\"output_tokens\":1}", "\"input_tokens\":1e30" },
        { "{\"input_tokens\":1,\"output_tokens\" : 5.7}", "\"output_tokens\" : 5.7" },
        { "{\"prompt_tokens\":\"5\",\"completion_tokens\":6}", "\"prompt_tokens\":\"5\"" },
        { "{\"prompt_tokens\":5,\"total_tokens\":-1}", "\"total_tokens\":-1" },
        { "{\"prompt_tokens\":5,\"completion_tokens\":6,\"prompt_tokens_details\":{\"cached_tokens\":-1}}",
          "\"prompt_tokens_details\":{\"cached_tokens\":-1}" },
        { "{\"prompt_tokens\":5,\"completion_tokens\":6,\"completion_tokens_details\":{\"reasoning_tokens\":4e15}}",
          "\"completion_tokens_details\":{\"reasoning_tokens\":4e15}" },
        { "{\"prompt_tokens\":5,\"completion_tokens\":6,\"prompt_cache_hit_tokens\":0.5}", "\"prompt_cache_hit_tokens\":0.5" },
    };
    static const char rest[] = "\"choices\":[{\"index\":0,\"message\":" SAID ",\"finish_reason\":\"stop\"}]";
    static struct fixture f;
    fixture_init(&f, DIALECT_OPENAI);
    for (size_t i = 0; i < HZ_LEN(cases) * 2; i++) {
        static char body[512];
        const char *form = i % 2 ? "{" HEAD "\"x_groq\":{\"usage\":%s},%s}" : "{" HEAD "\"usage\":%s,%s}";
        snprintf(body, sizeof(body), form, cases[i / 2].usage, rest);
        check_answer(&f, body, "{" HEAD "\"choices\":[{\"index\":0,\"message\":" SAID ",\"finish_reason\":\"stop\"}]}");
        CHECK(!f.answer.has_usage && f.answer.output_estimate == 2);
        CHECK_STR(f.answer.absurd_usage, cases[i / 2].absurd);
    }
    CHECK_OK(answer_to(&f, LLM_EMBEDDINGS, "{\"data\":[{\"embedding\":[1.0]}],\"usage\":{\"prompt_tokens\":-3}}"));
    CHECK(!f.answer.has_usage && f.answer.absurd_usage.len);
    fixture_fini(&f);
}

TEST(usage_is_read_from_all_known_forms_and_else_counted)
{
    static const struct {
        const char *usage;
        bool has;
        int64_t input, cached, output, reasoning;
    } cases[] = {
        { "{\"prompt_tokens\":10,\"completion_tokens\":0,\"total_tokens\":10}", true, 10, 0, 0, 0 },
        { "{\"prompt_tokens\":0,\"completion_tokens\":0}", true, 0, 0, 0, 0 },
        { "{\"prompt_tokens\":10,\"completion_tokens\":5,\"prompt_cache_hit_tokens\":4,\"prompt_cache_miss_tokens\":6}", true, 10, 4, 5, 0 },
        { "{\"input_tokens\":10,\"output_tokens\":5,\"input_tokens_details\":{\"cached_tokens\":3},\"output_tokens_details\":{\"reasoning_tokens\":2}}",
          true, 10, 3, 5, 2 },
        { "{\"prompt_tokens\":10,\"total_tokens\":17,\"prompt_tokens_details\":null}", true, 10, 0, 7, 0 },
        { "{\"prompt_tokens\":10,\"completion_tokens\":3,\"prompt_tokens_details\":{\"cached_tokens\":99}}", true, 10, 10, 3, 0 },
        { "{\"prompt_tokens\":2147483647,\"completion_tokens\":2147483647,\"total_tokens\":null}", true, 2147483647, 0, 2147483647, 0 },
        { "{\"prompt_tokens\":12.0,\"completion_tokens\":1e1}", true, 12, 0, 10, 0 },
        { "null", false, 0, 0, 0, 0 }, { "{}", false, 0, 0, 0, 0 }, { "[]", false, 0, 0, 0, 0 },
        { "{\"prompt_tokens\":null}", false, 0, 0, 0, 0 },
    };
    static struct fixture f;
    fixture_init(&f, DIALECT_OPENAI);
    for (size_t i = 0; i < HZ_LEN(cases); i++) {
        static char body[512];
        snprintf(body, sizeof(body), "{" HEAD CHOICE(SAID, "\"stop\"") "\"usage\":%s}", cases[i].usage);
        check_answer(&f, body, body);
        CHECK_EQ(f.answer.has_usage, cases[i].has);
        CHECK_EQ(f.answer.usage.input_tokens, cases[i].input);
        CHECK_EQ(f.answer.usage.cached_tokens, cases[i].cached);
        CHECK_EQ(f.answer.usage.output_tokens, cases[i].output);
        CHECK_EQ(f.answer.usage.reasoning_tokens, cases[i].reasoning);
        CHECK_EQ(f.answer.output_estimate, 2); /* "Four." */
    }
    fixture_fini(&f);
}

TEST(a_200_that_is_no_answer_is_broken_and_says_why)
{
    static const struct {
        const char *body, *why;
    } cases[] = {
        { "", "empty body" },
        { "  \n", "empty body" },
        { "<html><body>Bad gateway</body></html>", "without JSON: Bad gateway" },
        { "{\"id\":", "bad JSON" },
        { "[]", "without JSON" },
        { "{\"error\":{\"message\":\"overloaded\"}}", "with an error: overloaded" },
        { "{\"error\":\"overloaded\"}", "with an error: overloaded" },
        { "{\"object\":\"error\",\"message\":\"no\",\"code\":400}", "with an error: no" },
        { "{\"detail\":[{\"msg\":\"bad\",\"loc\":[\"body\",\"n\"]}]}", "with an error: bad" },
        { "{}", "no choices" },
        { "{\"choices\":[]," USAGE "}", "no choices" },
        { "{\"choices\":null}", "no choices" },
        { "{\"choices\":[1]}", "no object" },
        { "{\"choices\":[{\"index\":0,\"finish_reason\":\"stop\"}]}", "without a message" },
    };
    static struct fixture f;
    fixture_init(&f, DIALECT_OPENAI);
    for (size_t i = 0; i < HZ_LEN(cases); i++) {
        CHECK_ERR(answer_to(&f, LLM_CHAT, cases[i].body), ERR_UPSTREAM_BROKEN);
        if (str_find(str_of(f.fail.text), str_of(cases[i].why)) == SIZE_MAX)
            CHECK_STR(str_of(f.fail.text), cases[i].why);
        CHECK_EQ(f.out.len, 0);
    }
    check_answer(&f, "{\"error\":null," HEAD CHOICE(SAID, "\"stop\"") USAGE "}", "{\"error\":null," HEAD CHOICE(SAID, "\"stop\"") USAGE "}");
    fixture_fini(&f);
}

TEST(every_choice_is_mended_by_itself)
{
    static struct fixture f;
    fixture_init(&f, DIALECT_OPENAI);
    f.deployment.caps.reasoning = REASONING_THINK_TAG;
    check_answer(&f, "{" HEAD "\"choices\":[{\"message\":{\"content\":\"<think>a</think>b\"},\"index\":1,\"finish_reason\":\"stop\"},"
                     "{\"message\":{\"content\":\"c\"},\"finish_reason\":\"stop\"}]," USAGE "}",
                 "{" HEAD "\"choices\":[{\"message\":{\"reasoning_content\":\"a\",\"content\":\"b\"},\"index\":1,\"finish_reason\":\"stop\"},"
                 "{\"message\":{\"content\":\"c\"},\"finish_reason\":\"stop\",\"index\":1}]," USAGE "}");
    fixture_fini(&f);
}

/* ---- embeddings ---- */

/* 1, -2.5, 0.1 as float32 */
#define AS_BASE64 "\"AACAPwAAIMDNzMw9\""
#define EMBEDDING(value) "{\"object\":\"list\",\"data\":[{\"object\":\"embedding\",\"index\":0,\"embedding\":" value "}],\"model\":\"e\",\"usage\":{\"prompt_tokens\":3,\"total_tokens\":3}}"

TEST(embeddings_come_in_the_encoding_that_was_asked_for)
{
    static struct fixture f;
    fixture_init(&f, DIALECT_OPENAI);
    f.request.wants_base64 = true;
    CHECK_OK(answer_to(&f, LLM_EMBEDDINGS, EMBEDDING("[1.0, -2.5,1e-1]")));
    CHECK_STR(buf_str(&f.out), EMBEDDING(AS_BASE64));
    CHECK(f.answer.has_usage && f.answer.usage.input_tokens == 3 && f.answer.usage.output_tokens == 0);
    CHECK_OK(answer_to(&f, LLM_EMBEDDINGS, EMBEDDING(AS_BASE64)));
    CHECK_STR(buf_str(&f.out), EMBEDDING(AS_BASE64));
    f.request.wants_base64 = false;
    CHECK_OK(answer_to(&f, LLM_EMBEDDINGS, EMBEDDING(AS_BASE64)));
    CHECK_STR(buf_str(&f.out), EMBEDDING("[1,-2.5,0.100000001]"));
    CHECK_OK(answer_to(&f, LLM_EMBEDDINGS, EMBEDDING("[1.0, -2.5,1e-1]")));
    CHECK_STR(buf_str(&f.out), EMBEDDING("[1.0, -2.5,1e-1]"));
    fixture_fini(&f);
}

TEST(numbers_of_any_length_keep_their_value_as_float32)
{
    static const struct {
        const char *number, *base64;
    } cases[] = {
        { "[-0.006929283495992422]", "\"Cw/juw==\"" },
        { "[0.1000000000000000055511151231257827]", "\"zczMPQ==\"" },
        { "[3.4028234e38]", "\"//9/fw==\"" },
        { "[0.9283493333333333339]", "\"TahtPw==\"" },
        { "[0.00000000000000000000000000001]", "\"+NJKDw==\"" },
        { "[1e-45]", "\"AQAAAA==\"" },
        { "[0]", "\"AAAAAA==\"" },
        { "[1E+2]", "\"AADIQg==\"" },
        { "[1e-400]", "\"AAAAAA==\"" },
        { "[]", "\"\"" },
    };
    static struct fixture f;
    fixture_init(&f, DIALECT_OPENAI);
    f.request.wants_base64 = true;
    for (size_t i = 0; i < HZ_LEN(cases); i++) {
        static char body[300], expected[300];
        snprintf(body, sizeof(body), EMBEDDING("%s"), cases[i].number);
        snprintf(expected, sizeof(expected), EMBEDDING("%s"), cases[i].base64);
        CHECK_OK(answer_to(&f, LLM_EMBEDDINGS, body));
        CHECK_STR(buf_str(&f.out), expected);
    }
    fixture_fini(&f);
}

TEST(unreadable_embeddings_are_broken)
{
    static const char *const bodies[] = {
        "{\"data\":[]}", "{}", "{\"data\":[{}]}", EMBEDDING("null"), EMBEDDING("[1,\"x\"]"), EMBEDDING("[1e99]"),
        EMBEDDING("[null]"),
    };
    static struct fixture f;
    fixture_init(&f, DIALECT_OPENAI);
    f.request.wants_base64 = true;
    for (size_t i = 0; i < HZ_LEN(bodies); i++)
        CHECK_ERR(answer_to(&f, LLM_EMBEDDINGS, bodies[i]), ERR_UPSTREAM_BROKEN);
    f.request.wants_base64 = false;
    CHECK_ERR(answer_to(&f, LLM_EMBEDDINGS, EMBEDDING("\"AACA\"")), ERR_UPSTREAM_BROKEN);
    CHECK_ERR(answer_to(&f, LLM_EMBEDDINGS, EMBEDDING("\"AADAfw==\"")), ERR_UPSTREAM_BROKEN); /* NaN */
    CHECK_ERR(answer_to(&f, LLM_EMBEDDINGS, EMBEDDING("\"?\"")), ERR_UPSTREAM_BROKEN);
    fixture_fini(&f);
}

RUN_TESTS(T(an_answer_in_order_is_passed_on_byte_for_byte), T(think_tags_become_reasoning_content),
          T(reasoning_in_parts_becomes_reasoning_content),
          T(tool_calls_come_in_the_form_that_clients_parse), T(finish_reasons_become_those_of_openai),
          T(an_answer_that_the_provider_gave_up_is_none_but_its_usage_is_known),
          T(a_refusal_by_the_content_filter_is_an_answer), T(what_strict_clients_miss_is_added),
          T(usage_is_read_from_all_known_forms_and_else_counted),
          T(usage_that_cannot_be_true_is_neither_believed_nor_passed_on),
          T(a_200_that_is_no_answer_is_broken_and_says_why), T(every_choice_is_mended_by_itself),
          T(embeddings_come_in_the_encoding_that_was_asked_for),
          T(numbers_of_any_length_keep_their_value_as_float32), T(unreadable_embeddings_are_broken))

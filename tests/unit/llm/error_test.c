#include "test.h"

#include "llm/llm.h"
#include "wire/json.h"

struct expected {
    int status;
    const char *body, *message, *type, *param, *code;
};

static void check_error(const struct expected *e)
{
    struct arena arena = { 0 };
    struct llm_error got;
    llm_error_read(&arena, e->status, str_of(e->body), &got);
    CHECK_STR(got.message, e->message);
    CHECK_STR(got.type, e->type);
    CHECK_STR(got.param, e->param);
    CHECK_STR(got.code, e->code);
    arena_fini(&arena);
}

TEST(the_four_families_of_bodies_become_one)
{
    static const struct expected cases[] = {
        { 400, "{\"error\":{\"message\":\"no\",\"type\":\"invalid_request_error\",\"param\":\"n\",\"code\":\"invalid_value\"}}",
          "no", "invalid_request_error", "n", "invalid_value" },
        { 404, "{\"error\":{\"code\":\"unknown_model\",\"message\":\"Unknown model: x\",\"details\":\"Unknown model: x\"}}",
          "Unknown model: x", "invalid_request_error", "", "unknown_model" },
        { 422, "{\"status\":422,\"code\":\"parameter_not_supported\",\"detail\":{\"loc\":[\"body\",\"response_format\"],"
               "\"input\":\"json_object\"},\"message\":\"One of the parameters contain invalid values.\"}",
          "One of the parameters contain invalid values.", "invalid_request_error", "response_format",
          "parameter_not_supported" },
        { 422, "{\"detail\":[{\"type\":\"extra_forbidden\",\"loc\":[\"body\",\"messages\",0,\"name\"],"
               "\"msg\":\"Extra inputs are not permitted\",\"input\":0.0}]}",
          "Extra inputs are not permitted", "invalid_request_error", "messages.0.name", "extra_forbidden" },
        { 400, "{\"object\":\"error\",\"message\":\"At most 1 image(s)\",\"type\":\"BadRequestError\",\"param\":null,\"code\":400}",
          "At most 1 image(s)", "BadRequestError", "", "400" },
        { 429, "{\"error\":{\"code\":\"429\",\"message\":\"Rate limit is exceeded.\"}}", "Rate limit is exceeded.",
          "rate_limit_error", "", "429" },
    };
    for (size_t i = 0; i < HZ_LEN(cases); i++)
        check_error(&cases[i]);
}

TEST(messages_packed_into_messages_are_unpacked)
{
    static const struct expected cases[] = {
        { 422, "{\"object\":\"error\",\"message\":{\"detail\":[{\"type\":\"extra_forbidden\",\"loc\":[\"body\",\"user\"],"
               "\"msg\":\"Extra inputs are not permitted\"}]},\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"1000\"}",
          "Extra inputs are not permitted", "invalid_request_error", "user", "1000" },
        { 422, "{\"error\":{\"code\":\"bad\",\"message\":\"{\\\"detail\\\":[{\\\"type\\\":\\\"t\\\",\\\"loc\\\":[\\\"body\\\",\\\"n\\\"],"
               "\\\"msg\\\":\\\"no n\\\"}]}\"}}",
          "no n", "invalid_request_error", "n", "bad" },
        { 400, "{\"message\":\"[{\\\"type\\\":\\\"t\\\",\\\"loc\\\":[\\\"body\\\",\\\"n\\\"],\\\"msg\\\":\\\"no n\\\"}]\"}",
          "no n", "invalid_request_error", "n", "t" },
        { 400, "{\"detail\":\"Not like that\"}", "Not like that", "invalid_request_error", "", "" },
        { 500, "{\"error\":\"model is loading\"}", "model is loading", "server_error", "", "" },
        { 400, "[{\"error\":{\"code\":400,\"message\":\"m\",\"status\":\"INVALID\"}}]", "m", "invalid_request_error", "", "400" },
        { 403, "\"go away\"", "go away", "permission_error", "", "" },
    };
    for (size_t i = 0; i < HZ_LEN(cases); i++)
        check_error(&cases[i]);
}

TEST(what_is_no_json_still_gives_a_readable_message)
{
    static const struct expected cases[] = {
        { 502, "<!DOCTYPE html><html><head><style>a{b:c}</style><title>502  Bad\nGateway</title>"
               "<script>if (a<b) x()</script></head><body><!-- c --><h1>Sorry</h1></body></html>",
          "HTTP 502 Bad Gateway: 502 Bad Gateway Sorry", "server_error", "", "" },
        { 503, "upstream connect error", "HTTP 503 Service Unavailable: upstream connect error", "server_error", "", "" },
        { 500, "", "HTTP 500 Internal Server Error", "server_error", "", "" },
        { 400, "{}", "HTTP 400 Bad Request", "invalid_request_error", "", "" },
        { 400, "{\"error\":{}}", "HTTP 400 Bad Request", "invalid_request_error", "", "" },
        { 400, "{\"error\":{\"message\":\"\"}}", "HTTP 400 Bad Request", "invalid_request_error", "", "" },
        { 502, "<html", "HTTP 502 Bad Gateway", "server_error", "", "" },
        { 500, "a < b", "HTTP 500 Internal Server Error: a < b", "server_error", "", "" },
        { 0, "{\"error\":true}", "the provider reported an error without saying which", "server_error", "", "" },
    };
    for (size_t i = 0; i < HZ_LEN(cases); i++)
        check_error(&cases[i]);
}

static struct llm_error read_error(struct arena *a, int status, const char *body)
{
    struct llm_error e;
    llm_error_read(a, status, str_of(body), &e);
    return e;
}

TEST(content_filters_are_known_in_all_their_forms)
{
    static const char *const bodies[] = {
        "{\"error\":{\"message\":\"The response was filtered due to the prompt triggering Azure OpenAI's content management policy.\","
        "\"type\":null,\"param\":\"prompt\",\"code\":\"content_filter\",\"status\":400,\"innererror\":{\"code\":"
        "\"ResponsibleAIPolicyViolation\",\"content_filter_result\":{\"violence\":{\"filtered\":true}}}}}",
        "{\"error\":{\"message\":\"x\",\"code\":\"content_filter\"}}",
        "{\"status\":400,\"code\":\"content_filter\",\"message\":\"The response was filtered\",\"param\":\"messages\",\"type\":null}",
        "{\"error\":{\"message\":\"x\",\"code\":\"400\",\"innererror\":{\"code\":\"ResponsibleAIPolicyViolation\"}}}",
        "{\"error\":{\"message\":\"x\",\"code\":\"content_policy_violation\"}}",
        "{\"error\":{\"message\":\"... our content management policy. ...\"}}",
    };
    struct arena a = { 0 };
    for (size_t i = 0; i < HZ_LEN(bodies); i++)
        CHECK(read_error(&a, 400, bodies[i]).is_content_filter);
    CHECK(!read_error(&a, 400, "{\"error\":{\"message\":\"x\",\"code\":\"invalid_value\"}}").is_content_filter);
    arena_fini(&a);
}

TEST(a_prompt_that_is_too_long_is_told_from_too_many_tokens_a_minute)
{
    struct arena a = { 0 };
    CHECK(read_error(&a, 400, "{\"error\":{\"message\":\"x\",\"code\":\"context_length_exceeded\"}}").is_context_length);
    CHECK(read_error(&a, 400, "{\"object\":\"error\",\"message\":\"This model's maximum context length is 16384 tokens. However, "
                              "you requested 20000\",\"code\":400}").is_context_length);
    CHECK(read_error(&a, 413, "{\"error\":{\"message\":\"x\",\"code\":\"tokens_limit_reached\"}}").is_context_length);
    CHECK(!read_error(&a, 429, "{\"error\":{\"message\":\"too many tokens per minute\"}}").is_context_length);
    CHECK(!read_error(&a, 400, "{\"error\":{\"message\":\"n is too large\"}}").is_context_length);
    arena_fini(&a);
}

TEST(an_empty_account_is_told_from_a_busy_one)
{
    struct arena a = { 0 };
    CHECK(read_error(&a, 429, "{\"error\":{\"message\":\"x\",\"type\":\"insufficient_quota\",\"code\":\"insufficient_quota\"}}")
              .is_quota_exhausted);
    CHECK(read_error(&a, 429, "{\"error\":{\"message\":\"x\",\"type\":\"insufficient_quota\",\"code\":\"project_spend_limit_exceeded\"}}")
              .is_quota_exhausted);
    CHECK(read_error(&a, 429, "{\"error\":{\"message\":\"x\",\"details\":{\"error_code\":\"enforced_spend_limit_reached\"}}}")
              .is_quota_exhausted);
    CHECK(!read_error(&a, 429, "{\"error\":{\"message\":\"x\",\"code\":\"rate_limit_exceeded\"}}").is_quota_exhausted);
    arena_fini(&a);
}

TEST(long_messages_are_cut_between_characters)
{
    struct arena a = { 0 };
    struct buf body = { 0 };
    buf_add(&body, STR("{\"message\":\"x"));
    for (int i = 0; i < 2000; i++)
        buf_add(&body, STR("\xC3\xA9"));
    buf_add(&body, STR("\"}"));
    struct llm_error e;
    llm_error_read(&a, 400, buf_str(&body), &e);
    CHECK_EQ(e.message.len, 1999);
    buf_fini(&body);
    arena_fini(&a);
}

TEST(errors_are_written_in_the_shape_that_sdks_read)
{
    struct buf out = { 0 };
    const struct llm_error e = { .message = STR("say \"please\""), .type = STR("t"), .code = STR("c") };
    llm_error_write(&out, &e, STR("id-1"));
    CHECK_STR(buf_str(&out), "{\"error\":{\"message\":\"say \\\"please\\\"\",\"type\":\"t\",\"param\":null,\"code\":\"c\","
                             "\"correlation_id\":\"id-1\"}}");
    buf_clear(&out);
    llm_error_write(&out, &(struct llm_error) { .message = STR("m") }, STR_NONE);
    CHECK_STR(buf_str(&out), "{\"error\":{\"message\":\"m\",\"type\":null,\"param\":null,\"code\":null}}");
    buf_fini(&out);
}

RUN_TESTS(T(the_four_families_of_bodies_become_one), T(messages_packed_into_messages_are_unpacked),
          T(what_is_no_json_still_gives_a_readable_message),
          T(content_filters_are_known_in_all_their_forms),
          T(a_prompt_that_is_too_long_is_told_from_too_many_tokens_a_minute),
          T(an_empty_account_is_told_from_a_busy_one), T(long_messages_are_cut_between_characters),
          T(errors_are_written_in_the_shape_that_sdks_read))

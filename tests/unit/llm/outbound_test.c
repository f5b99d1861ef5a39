#include "fixture.h"

#define HI "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"

static struct llm_outbound build(struct fixture *f, enum llm_operation operation, const char *body)
{
    struct llm_outbound out;
    CHECK_OK(fixture_read(f, operation, body));
    CHECK_OK(llm_outbound_build(&f->arena, &f->request, &f->deployment, &out, &f->fail));
    struct fail fail = { 0 };
    CHECK_OK(json_check(out.body, &fail));
    return out;
}

static void check_body(struct fixture *f, const char *body, const char *expected)
{
    CHECK_STR(build(f, LLM_CHAT, body).body, expected);
}

TEST(only_the_model_changes_and_unknown_fields_survive_byte_for_byte)
{
    static struct fixture f;
    fixture_init(&f, DIALECT_OPENAI);
    check_body(&f, "{ \"x\" : [1,  {\"y\":1e3}],\n \"mod\\u0065l\" : \"auto\", \"temperature\":0.10, " HI " }",
               "{ \"x\" : [1,  {\"y\":1e3}],\n \"mod\\u0065l\" : \"dep\", \"temperature\":0.10, " HI " }");
    check_body(&f, "{" HI "}", "{" HI ",\"model\":\"dep\"}");
    f.deployment.name = STR("a\"b");
    check_body(&f, "{\"model\":null," HI "}", "{\"model\":\"a\\\"b\"," HI "}");
    fixture_fini(&f);
}

TEST(paths_follow_the_dialect_and_never_repeat_a_part)
{
    static const struct {
        enum dialect dialect;
        const char *base, *version, *target;
    } cases[] = {
        { DIALECT_OPENAI, "/v1", "", "/v1/chat/completions" },
        { DIALECT_OPENAI, "", "", "/chat/completions" },
        { DIALECT_FOUNDRY_V1, "", "", "/openai/v1/chat/completions" },
        { DIALECT_FOUNDRY_V1, "/openai/v1", "", "/openai/v1/chat/completions" },
        { DIALECT_FOUNDRY_V1, "/openai", "preview", "/openai/v1/chat/completions?api-version=preview" },
        { DIALECT_FOUNDRY_V1, "/v1", "", "/v1/chat/completions" },
        { DIALECT_FOUNDRY_V1, "/api/projects/p", "", "/api/projects/p/openai/v1/chat/completions" },
        { DIALECT_FOUNDRY_MODELS, "", "", "/models/chat/completions?api-version=2024-05-01-preview" },
        { DIALECT_FOUNDRY_MODELS, "/models", "2025-04-01", "/models/chat/completions?api-version=2025-04-01" },
        { DIALECT_AZURE_OPENAI, "", "",
          "/openai/deployments/my%20dep%2F1/chat/completions?api-version=2024-10-21" },
        { DIALECT_AZURE_OPENAI, "/openai", "2025-04-01-preview",
          "/openai/deployments/my%20dep%2F1/chat/completions?api-version=2025-04-01-preview" },
    };
    static struct fixture f;
    for (size_t i = 0; i < HZ_LEN(cases); i++) {
        fixture_init(&f, cases[i].dialect);
        f.deployment.name = STR("my dep/1");
        f.provider.base_path = str_of(cases[i].base);
        f.provider.api_version = str_of(cases[i].version);
        CHECK_STR(build(&f, LLM_CHAT, "{" HI "}").target, cases[i].target);
        fixture_fini(&f);
    }
    fixture_init(&f, DIALECT_FOUNDRY_MODELS);
    CHECK_STR(build(&f, LLM_EMBEDDINGS, "{\"input\":\"a\"}").target,
              "/models/embeddings?api-version=2024-05-01-preview");
    fixture_fini(&f);
}

TEST(credentials_go_where_the_dialect_wants_them)
{
    static const struct {
        enum dialect dialect;
        bool is_bearer;
        const char *key, *credential;
    } cases[] = {
        { DIALECT_OPENAI, false, "K", "authorization: Bearer K\r\n" },
        { DIALECT_FOUNDRY_V1, false, "K", "api-key: K\r\n" },
        { DIALECT_FOUNDRY_V1, true, "K", "authorization: Bearer K\r\n" },
        { DIALECT_FOUNDRY_MODELS, false, "K", "extra-parameters: drop\r\napi-key: K\r\n" },
        { DIALECT_AZURE_OPENAI, false, "K", "api-key: K\r\n" },
        { DIALECT_AZURE_OPENAI, false, "", "" },
    };
    for (size_t i = 0; i < HZ_LEN(cases); i++) {
        static struct fixture f;
        static char expected[160];
        fixture_init(&f, cases[i].dialect);
        f.provider.key = str_of(cases[i].key);
        f.provider.is_key_bearer = cases[i].is_bearer;
        snprintf(expected, sizeof(expected),
                 "content-type: application/json\r\naccept: application/json\r\n%s", cases[i].credential);
        CHECK_STR(build(&f, LLM_CHAT, "{" HI "}").headers, expected);
        fixture_fini(&f);
    }
}

TEST(a_key_with_a_line_break_is_refused_before_it_splits_the_head)
{
    static struct fixture f;
    struct llm_outbound out;
    fixture_init(&f, DIALECT_OPENAI);
    f.provider.key = STR("a\r\nx: y");
    CHECK_OK(fixture_read(&f, LLM_CHAT, "{" HI "}"));
    CHECK_ERR(llm_outbound_build(&f.arena, &f.request, &f.deployment, &out, &f.fail), ERR_CONFIG);
    fixture_fini(&f);
}

TEST(usage_is_always_asked_for_when_streaming)
{
    static const struct {
        const char *options, *expected;
    } cases[] = {
        { "", ",\"model\":\"dep\",\"stream_options\":{\"include_usage\":true}}" },
        { ",\"stream_options\":null", ",\"stream_options\":{\"include_usage\":true},\"model\":\"dep\"}" },
        { ",\"stream_options\":{}", ",\"stream_options\":{\"include_usage\":true},\"model\":\"dep\"}" },
        { ",\"stream_options\":{\"include_usage\":false,\"x\":1}",
          ",\"stream_options\":{\"include_usage\":true,\"x\":1},\"model\":\"dep\"}" },
        { ",\"stream_options\":{ \"x\":1 }",
          ",\"stream_options\":{ \"x\":1,\"include_usage\":true },\"model\":\"dep\"}" },
        { ",\"stream_options\":{\"include_usage\": true}",
          ",\"stream_options\":{\"include_usage\": true},\"model\":\"dep\"}" },
    };
    static struct fixture f;
    fixture_init(&f, DIALECT_OPENAI);
    for (size_t i = 0; i < HZ_LEN(cases); i++) {
        static char body[256], expected[256];
        snprintf(body, sizeof(body), "{\"stream\":true," HI "%s}", cases[i].options);
        snprintf(expected, sizeof(expected), "{\"stream\":true," HI "%s", cases[i].expected);
        check_body(&f, body, expected);
        CHECK(str_find(build(&f, LLM_CHAT, body).headers, STR("accept: text/event-stream\r\n")) != SIZE_MAX);
    }
    check_body(&f, "{" HI "}", "{" HI ",\"model\":\"dep\"}");
    fixture_fini(&f);
}

TEST(stream_options_are_left_out_where_they_are_not_understood)
{
    static const char body[] = "{\"stream\":true,\"stream_options\":{\"include_usage\":true},\"model\":\"m\"," HI "}";
    static const char expected[] = "{\"stream\":true,\"model\":\"dep\"," HI "}";
    static struct fixture f;
    fixture_init(&f, DIALECT_OPENAI);
    f.deployment.caps.stream_usage = STREAM_USAGE_NEVER;
    check_body(&f, body, expected);
    f.deployment.caps.stream_usage = STREAM_USAGE_ALWAYS;
    check_body(&f, body, expected);
    fixture_fini(&f);
    fixture_init(&f, DIALECT_FOUNDRY_MODELS);
    check_body(&f, body, expected);
    fixture_fini(&f);
}

TEST(the_token_limit_is_renamed_and_never_doubled)
{
    static const struct {
        enum max_tokens_field field;
        enum dialect dialect;
        const char *in, *out;
    } cases[] = {
        { MAX_TOKENS_OLD, DIALECT_OPENAI, "\"max_completion_tokens\":5", "\"max_tokens\":5" },
        { MAX_TOKENS_OLD, DIALECT_OPENAI, "\"max_tokens\":5", "\"max_tokens\":5" },
        { MAX_TOKENS_COMPLETION, DIALECT_OPENAI, "\"max_tokens\":5", "\"max_completion_tokens\":5" },
        { MAX_TOKENS_COMPLETION, DIALECT_OPENAI, "\"max_tokens\":5,\"max_completion_tokens\":6",
          "\"max_completion_tokens\":6" },
        { MAX_TOKENS_COMPLETION, DIALECT_OPENAI, "\"max_tokens\":5,\"max_completion_tokens\":null",
          "\"max_completion_tokens\":5" },
        { MAX_TOKENS_AS_IS, DIALECT_OPENAI, "\"max_completion_tokens\":5", "\"max_completion_tokens\":5" },
        { MAX_TOKENS_AS_IS, DIALECT_FOUNDRY_MODELS, "\"max_completion_tokens\":5", "\"max_tokens\":5" },
    };
    for (size_t i = 0; i < HZ_LEN(cases); i++) {
        static struct fixture f;
        static char body[256], expected[256];
        fixture_init(&f, cases[i].dialect);
        f.deployment.caps.max_tokens_field = cases[i].field;
        f.deployment.caps.default_max_tokens = 100;
        snprintf(body, sizeof(body), "{\"model\":\"m\"," HI ",%s}", cases[i].in);
        snprintf(expected, sizeof(expected), "{\"model\":\"dep\"," HI ",%s}", cases[i].out);
        check_body(&f, body, expected);
        fixture_fini(&f);
    }
}

TEST(a_default_token_limit_bounds_what_the_caller_left_open)
{
    static struct fixture f;
    fixture_init(&f, DIALECT_OPENAI);
    f.deployment.caps.default_max_tokens = 4096;
    check_body(&f, "{\"model\":\"m\"," HI "}", "{\"model\":\"dep\"," HI ",\"max_completion_tokens\":4096}");
    f.provider.kind = PROVIDER_OPENAI_COMPATIBLE;
    check_body(&f, "{\"model\":\"m\"," HI "}", "{\"model\":\"dep\"," HI ",\"max_tokens\":4096}");
    check_body(&f, "{\"max_tokens\":null,\"model\":\"m\"," HI "}",
               "{\"model\":\"dep\"," HI ",\"max_tokens\":4096}");
    f.deployment.caps.max_tokens_field = MAX_TOKENS_COMPLETION;
    check_body(&f, "{\"model\":\"m\"," HI "}", "{\"model\":\"dep\"," HI ",\"max_completion_tokens\":4096}");
    CHECK_STR(build(&f, LLM_EMBEDDINGS, "{\"model\":\"m\",\"input\":\"a\"}").body,
              "{\"model\":\"dep\",\"input\":\"a\"}");
    fixture_fini(&f);
}

TEST(the_longest_answer_is_the_limit_where_it_is_sure_to_fit)
{
    static const struct {
        int64_t context, longest, by_default, sent;
    } cases[] = {
        { 0, 0, 0, 0 },
        { 16384, 0, 0, 0 },
        { 0, 8192, 0, 8192 },
        { 16384, 8192, 0, 8192 },
        { 16384, 8192, 100, 100 },
        { 16384, 16384, 0, 0 }, /* prompt and answer share the context */
        { 8192 + 56, 8192, 0, 0 }, /* the body has 57 bytes */
        { 8192 + 57, 8192, 0, 8192 },
    };
    static struct fixture f;
    for (size_t i = 0; i < HZ_LEN(cases); i++) {
        static char expected[128];
        fixture_init(&f, DIALECT_OPENAI);
        f.model.context_tokens = cases[i].context;
        f.model.max_output_tokens = cases[i].longest;
        f.deployment.caps.default_max_tokens = cases[i].by_default;
        f.deployment.caps.max_tokens_field = MAX_TOKENS_OLD;
        snprintf(expected, sizeof(expected), "{\"model\":\"dep\"," HI ",\"max_tokens\":%lld}",
                 (long long)cases[i].sent);
        check_body(&f, "{\"model\":\"m\"," HI "}", cases[i].sent ? expected : "{\"model\":\"dep\"," HI "}");
        CHECK_EQ(llm_request_output_limit(&f.request, &f.deployment), cases[i].sent);
        CHECK_OK(fixture_read(&f, LLM_CHAT, "{\"max_tokens\":7," HI "}"));
        CHECK_EQ(llm_request_output_limit(&f.request, &f.deployment), 7);
        fixture_fini(&f);
    }
}

TEST(a_limit_that_is_refused_is_neither_sent_nor_a_bound)
{
    static const struct str drops[] = { { "max_tokens", 10 } };
    static struct fixture f;
    fixture_init(&f, DIALECT_OPENAI);
    f.deployment.caps.drop_params = drops;
    f.deployment.caps.drop_params_len = 1;
    f.deployment.caps.default_max_tokens = 100;
    f.deployment.caps.max_tokens_field = MAX_TOKENS_OLD;
    check_body(&f, "{" HI "}", "{" HI ",\"model\":\"dep\"}");
    CHECK_EQ(llm_request_output_limit(&f.request, &f.deployment), 0);
    check_body(&f, "{" HI ",\"max_tokens\":7}", "{" HI ",\"model\":\"dep\"}");
    CHECK_EQ(llm_request_output_limit(&f.request, &f.deployment), 0);
    fixture_fini(&f);
}

TEST(an_answer_that_has_begun_is_sent_on_for_its_rest)
{
    static struct fixture f;
    struct llm_outbound out;
    fixture_init(&f, DIALECT_OPENAI);
    f.deployment.caps.has_developer_role = false;
    CHECK_OK(fixture_read(&f, LLM_CHAT, "{\"max_tokens\":10,\"messages\":[{\"role\":\"developer\",\"content\":\"hi\"} ],"
                                        "\"max_completion_tokens\":2}"));
    int64_t bound = llm_request_input_bound(&f.request), estimate = llm_request_input_estimate(&f.request);
    llm_request_continue(&f.request, STR("Well, \"so\"\n\xC3\xA9"));
    CHECK_OK(llm_outbound_build(&f.arena, &f.request, &f.deployment, &out, &f.fail));
    CHECK_STR(out.body, "{\"max_tokens\":6,\"messages\":[{\"role\":\"system\",\"content\":\"hi\"} ,"
                        "{\"role\":\"assistant\",\"content\":\"Well, \\\"so\\\"\\n\xC3\xA9\"}],"
                        "\"max_completion_tokens\":1,\"model\":\"dep\"}");
    CHECK_EQ(llm_request_output_limit(&f.request, &f.deployment), 6);
    CHECK_EQ(llm_request_input_bound(&f.request), bound + 13 + 35);
    CHECK_EQ(llm_request_input_estimate(&f.request), estimate + 4 + 3 + 3); /* text, message, role */
    llm_request_continue(&f.request, STR("Well"));
    CHECK_OK(llm_outbound_build(&f.arena, &f.request, &f.deployment, &out, &f.fail));
    CHECK(str_find(out.body, STR("{\"role\":\"assistant\",\"content\":\"Well\"}]")) != SIZE_MAX);
    CHECK_EQ(llm_request_output_limit(&f.request, &f.deployment), 9);
    fixture_fini(&f);
}

TEST(parameters_a_model_rejects_are_left_out)
{
    static const struct str drops[] = { { "temperature", 11 }, { "logprobs", 8 }, { "user", 4 } };
    static struct fixture f;
    fixture_init(&f, DIALECT_OPENAI);
    f.deployment.caps.drop_params = drops;
    f.deployment.caps.drop_params_len = HZ_LEN(drops);
    check_body(&f, "{\"temperature\":1, \"logprobs\":true, \"model\":\"m\",\"user\":\"u\"," HI ",\"logprobs2\":1}",
               "{\"model\":\"dep\"," HI ",\"logprobs2\":1}");
    check_body(&f, "{" HI ",\"temperature\":1,\"user\":\"u\" }", "{" HI ",\"model\":\"dep\" }");
    fixture_fini(&f);
}

TEST(developer_turns_become_system_turns_for_models_without_that_role)
{
    static struct fixture f;
    fixture_init(&f, DIALECT_OPENAI);
    static const char body[] = "{\"model\":\"m\",\"messages\":[{\"role\":\"developer\",\"content\":\"developer\"}]}";
    check_body(&f, body, "{\"model\":\"dep\",\"messages\":[{\"role\":\"developer\",\"content\":\"developer\"}]}");
    f.deployment.caps.has_developer_role = false;
    check_body(&f, body, "{\"model\":\"dep\",\"messages\":[{\"role\":\"system\",\"content\":\"developer\"}]}");
    fixture_fini(&f);
}

TEST(part_arrays_of_text_alone_are_flattened)
{
    static struct fixture f;
    fixture_init(&f, DIALECT_OPENAI);
    f.deployment.caps.flattens_text_parts = true;
    check_body(&f, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\\\"\"},"
                   "{\"type\":\"text\",\"text\":\"b\"}],\"name\":\"n\"}]}",
               "{\"model\":\"dep\",\"messages\":[{\"role\":\"user\",\"content\":\"a\\\"\\nb\",\"name\":\"n\"}]}");
    check_body(&f, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},"
                   "{\"type\":\"image_url\",\"image_url\":{\"url\":\"u\"}}]}]}",
               "{\"model\":\"dep\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},"
               "{\"type\":\"image_url\",\"image_url\":{\"url\":\"u\"}}]}]}");
    fixture_fini(&f);
}

TEST(reasoning_of_replayed_turns_is_not_sent_back)
{
    static struct fixture f;
    fixture_init(&f, DIALECT_OPENAI);
    f.deployment.caps.strips_reasoning_in = true;
    check_body(&f, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"<think>mine</think>x\"},"
                   "{\"role\":\"assistant\",\"reasoning_content\":\"r\",\"content\":\"\\u003cthink>a\\n</think>\\n\\nb\"},"
                   "{\"role\":\"assistant\",\"content\":\"I think so\"},"
                   "{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"<think>p</think>q\"}]}]}",
               "{\"model\":\"dep\",\"messages\":[{\"role\":\"user\",\"content\":\"<think>mine</think>x\"},"
               "{\"role\":\"assistant\",\"content\":\"b\"},"
               "{\"role\":\"assistant\",\"content\":\"I think so\"},"
               "{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"q\"}]}]}");
    fixture_fini(&f);
}

TEST(replayed_tool_calls_lose_their_index_where_it_is_refused)
{
    static const char body[] = "{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"index\":0,"
                               "\"id\":\"a\"},{\"id\":\"b\",\"index\":1}]}]}";
    static struct fixture f;
    fixture_init(&f, DIALECT_FOUNDRY_MODELS);
    check_body(&f, body, "{\"model\":\"dep\",\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"a\"},"
                         "{\"id\":\"b\"}]}]}");
    fixture_fini(&f);
    fixture_init(&f, DIALECT_OPENAI);
    CHECK(str_find(build(&f, LLM_CHAT, body).body, STR("\"index\":1")) != SIZE_MAX);
    fixture_fini(&f);
}

TEST(hundreds_of_edits_fit_because_messages_are_rewritten_in_one_pass)
{
    static struct fixture f;
    struct buf body = { 0 };
    fixture_init(&f, DIALECT_OPENAI);
    f.deployment.caps.has_developer_role = false;
    buf_add(&body, STR("{\"messages\":["));
    for (int i = 0; i < 500; i++)
        buf_addf(&body, "%s{\"role\":\"developer\",\"content\":\"%d\"}", i ? "," : "", i);
    buf_add(&body, STR("]}"));
    char *text = buf_take(&body);
    struct llm_outbound out = build(&f, LLM_CHAT, text);
    CHECK(str_find(out.body, STR("developer")) == SIZE_MAX);
    CHECK(str_find(out.body, STR("{\"role\":\"system\",\"content\":\"499\"}")) != SIZE_MAX);
    mem_free(text);
    fixture_fini(&f);
}

TEST(base64_embeddings_are_asked_for_only_where_they_are_understood)
{
    static const char body[] = "{\"input\":\"a\",\"model\":\"m\",\"encoding_format\":\"base64\"}";
    static const struct {
        enum dialect dialect;
        enum provider_kind kind;
        const char *format;
    } cases[] = {
        { DIALECT_OPENAI, PROVIDER_OPENAI, "base64" },
        { DIALECT_OPENAI, PROVIDER_OPENAI_COMPATIBLE, "float" },
        { DIALECT_AZURE_OPENAI, PROVIDER_AZURE_OPENAI, "base64" },
        { DIALECT_FOUNDRY_V1, PROVIDER_AZURE_FOUNDRY, "base64" },
        { DIALECT_FOUNDRY_MODELS, PROVIDER_AZURE_FOUNDRY, "float" },
    };
    for (size_t i = 0; i < HZ_LEN(cases); i++) {
        static struct fixture f;
        static char expected[128];
        fixture_init(&f, cases[i].dialect);
        f.provider.kind = cases[i].kind;
        snprintf(expected, sizeof(expected),
                 "{\"input\":\"a\",\"model\":\"dep\",\"encoding_format\":\"%s\"}", cases[i].format);
        CHECK_STR(build(&f, LLM_EMBEDDINGS, body).body, expected);
        fixture_fini(&f);
    }
}

TEST(a_body_beyond_the_arena_is_refused)
{
    static struct fixture f;
    struct llm_outbound out;
    fixture_init(&f, DIALECT_OPENAI);
    CHECK_OK(fixture_read(&f, LLM_CHAT, "{" HI "}"));
    f.arena.limit_bytes = f.arena.used_bytes + 200;
    f.deployment.name = str_make((char[400]) { 'x' }, 400);
    CHECK_ERR(llm_outbound_build(&f.arena, &f.request, &f.deployment, &out, &f.fail), ERR_TOO_LARGE);
    fixture_fini(&f);
}

RUN_TESTS(T(only_the_model_changes_and_unknown_fields_survive_byte_for_byte),
          T(paths_follow_the_dialect_and_never_repeat_a_part),
          T(credentials_go_where_the_dialect_wants_them),
          T(a_key_with_a_line_break_is_refused_before_it_splits_the_head),
          T(usage_is_always_asked_for_when_streaming),
          T(stream_options_are_left_out_where_they_are_not_understood),
          T(the_token_limit_is_renamed_and_never_doubled),
          T(a_default_token_limit_bounds_what_the_caller_left_open),
          T(the_longest_answer_is_the_limit_where_it_is_sure_to_fit), T(a_limit_that_is_refused_is_neither_sent_nor_a_bound),
          T(an_answer_that_has_begun_is_sent_on_for_its_rest),
          T(parameters_a_model_rejects_are_left_out),
          T(developer_turns_become_system_turns_for_models_without_that_role),
          T(part_arrays_of_text_alone_are_flattened),
          T(reasoning_of_replayed_turns_is_not_sent_back),
          T(replayed_tool_calls_lose_their_index_where_it_is_refused),
          T(hundreds_of_edits_fit_because_messages_are_rewritten_in_one_pass),
          T(base64_embeddings_are_asked_for_only_where_they_are_understood),
          T(a_body_beyond_the_arena_is_refused))

#include "fixture.h"

static void check_refused(enum llm_operation operation, const char *body, const char *param,
                          const char *allowed)
{
    static struct fixture f;
    fixture_init(&f, DIALECT_OPENAI);
    CHECK_ERR(fixture_read(&f, operation, body), ERR_BAD_REQUEST);
    CHECK_STR(str_of(f.fail.param), param);
    if (str_find(str_of(f.fail.text), str_of(allowed)) == SIZE_MAX)
        CHECK_STR(str_of(f.fail.text), allowed);
    fixture_fini(&f);
}

#define USER_HI "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"

TEST(everything_the_gateway_needs_is_read_in_one_pass)
{
    static struct fixture f;
    fixture_init(&f, DIALECT_OPENAI);
    CHECK_OK(fixture_read(&f, LLM_CHAT,
        " {\"mod\\u0065l\":\"a\\/b\",\"stream\":true,\"stream_options\":{\"include_usage\":true},"
        "\"n\":2,\"max_tokens\":10,\"max_completion_tokens\":30,\"tools\":[{\"type\":\"function\"}],"
        "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"x\"}},"
        "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"hi\"},"
        "{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://example.org/a.png\"}}]}],"
        "\"new_field\":{\"a\":1}} "));
    CHECK_STR(f.request.model, "a/b");
    CHECK(f.request.is_stream && f.request.wants_usage && f.request.has_tools);
    CHECK(f.request.has_images && f.request.wants_json_schema && !f.request.wants_json_object);
    CHECK_EQ(f.request.n, 2);
    CHECK_EQ(f.request.max_tokens, 30);
    CHECK(f.request.messages.at[0] == '[' && f.request.body.at[0] == '{');
    /* 3 for the reply, 3 for the message, role, text, an image of 765, tool and schema. */
    int64_t estimate = llm_request_input_estimate(&f.request);
    CHECK(estimate > 772 && estimate < 800);
    CHECK(estimate < llm_request_input_bound(&f.request));
    fixture_fini(&f);
}

TEST(absent_and_null_fields_take_their_defaults)
{
    static struct fixture f;
    fixture_init(&f, DIALECT_OPENAI);
    CHECK_OK(fixture_read(&f, LLM_CHAT, "{\"model\":null,\"n\":null,\"stream\":null,\"tools\":[],"
                                        "\"max_tokens\":null," USER_HI "}"));
    CHECK(f.request.model.len == 0 && f.request.n == 1 && f.request.max_tokens == 0);
    CHECK(!f.request.is_stream && !f.request.has_tools);
    fixture_fini(&f);
}

TEST(a_prefill_is_an_assistants_message_at_the_end)
{
    static const struct {
        const char *messages;
        bool has_prefill;
    } cases[] = {
        { "{\"role\":\"user\",\"content\":\"hi\"}", false },
        { "{\"role\":\"user\",\"content\":\"hi\"},{\"content\":\"So\",\"role\":\"assistant\"}", true },
        { "{\"role\":\"assistant\",\"content\":\"So\"},{\"role\":\"user\",\"content\":\"hi\"}", false },
    };
    for (size_t i = 0; i < HZ_LEN(cases); i++) {
        static struct fixture f;
        static char body[256];
        fixture_init(&f, DIALECT_OPENAI);
        snprintf(body, sizeof(body), "{\"messages\":[%s]}", cases[i].messages);
        CHECK_OK(fixture_read(&f, LLM_CHAT, body));
        CHECK_EQ(f.request.has_prefill, cases[i].has_prefill);
        fixture_fini(&f);
    }
}

TEST(wrong_types_name_the_field_and_what_is_allowed)
{
    static const struct {
        const char *member, *param, *allowed;
    } cases[] = {
        { "\"model\":1", "model", "must be a string" },
        { "\"stream\":\"true\"", "stream", "must be a boolean" },
        { "\"temperature\":\"hot\"", "temperature", "must be a number" },
        { "\"n\":0", "n", "from 1 to 128" },
        { "\"n\":129", "n", "from 1 to 128" },
        { "\"n\":1.5", "n", "whole number" },
        { "\"max_tokens\":0", "max_tokens", "from 1 to" },
        { "\"max_completion_tokens\":-1", "max_completion_tokens", "from 1 to" },
        { "\"tools\":{}", "tools", "must be an array" },
        { "\"tool_choice\":1", "tool_choice", "must be a string or an object" },
        { "\"stop\":3", "stop", "must be a string or an array" },
        { "\"stream_options\":true", "stream_options", "must be an object" },
        { "\"stream_options\":{\"include_usage\":1}", "stream_options.include_usage", "boolean" },
        { "\"response_format\":{\"type\":1}", "response_format.type", "json_schema" },
        { "\"response_format\":{\"type\":\"json_schema\"}", "response_format.json_schema", "object" },
    };
    for (size_t i = 0; i < HZ_LEN(cases); i++) {
        static char body[256];
        snprintf(body, sizeof(body), "{%s," USER_HI "}", cases[i].member);
        check_refused(LLM_CHAT, body, cases[i].param, cases[i].allowed);
    }
}

TEST(messages_are_checked_member_by_member)
{
    static const struct {
        const char *messages, *param, *allowed;
    } cases[] = {
        { "null", "messages", "must be an array" },
        { "\"hi\"", "messages", "must be an array" },
        { "[]", "messages", "at least one message" },
        { "[1]", "messages[0]", "must be an object" },
        { "[{\"content\":\"x\"}]", "messages[0].role", "is required" },
        { "[{\"role\":\"king\",\"content\":\"x\"}]", "messages[0].role", "system, developer, user" },
        { "[{\"role\":\"user\",\"content\":5}]", "messages[0].content", "a string, an array" },
        { "[{\"role\":\"user\",\"content\":\"\"}]", "messages", "must not be empty" },
        { "[{\"role\":\"user\",\"content\":\"  \"}]", "messages", "must not be empty" },
        { "[{\"role\":\"user\",\"content\":[]}]", "messages", "must not be empty" },
        { "[{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"user\",\"content\":[\"x\"]}]",
          "messages[1].content[0]", "must be an object" },
        { "[{\"role\":\"user\",\"content\":[{\"text\":\"x\"}]}]", "messages[0].content[0].type", "text" },
        { "[{\"role\":\"user\",\"content\":[{\"type\":\"text\"}]}]", "messages[0].content[0].text",
          "a string" },
        { "[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{}}]}]",
          "messages[0].content[0].image_url.url", "a string" },
        { "[{\"role\":\"assistant\",\"tool_calls\":{}}]", "messages[0].tool_calls", "an array" },
    };
    for (size_t i = 0; i < HZ_LEN(cases); i++) {
        static char body[256];
        snprintf(body, sizeof(body), "{\"messages\":%s}", cases[i].messages);
        check_refused(LLM_CHAT, body, cases[i].param, cases[i].allowed);
    }
    check_refused(LLM_CHAT, "{}", "messages", "is required");
    check_refused(LLM_CHAT, "[]", "", "must be a JSON object");
}

TEST(an_assistant_turn_of_tool_calls_alone_is_a_prompt)
{
    static struct fixture f;
    fixture_init(&f, DIALECT_OPENAI);
    CHECK_OK(fixture_read(&f, LLM_CHAT, "{\"messages\":[{\"role\":\"assistant\",\"content\":null,"
                                        "\"tool_calls\":[{\"id\":\"c\"}]}]}"));
    CHECK_OK(fixture_read(&f, LLM_CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
                                        "\"input_audio\",\"input_audio\":{\"data\":\"AA==\"}}]}]}"));
    CHECK(!f.request.has_images);
    fixture_fini(&f);
}

TEST(embedding_inputs_of_all_four_forms_are_taken_and_counted)
{
    static const struct {
        const char *input;
        int64_t tokens;
    } cases[] = {
        { "\"abcd\"", 1 }, { "[\"abcd\",\"efghi\"]", 3 }, { "[1,2,3]", 3 }, { "[[1,2],[3]]", 3 },
    };
    static struct fixture f;
    fixture_init(&f, DIALECT_OPENAI);
    for (size_t i = 0; i < HZ_LEN(cases); i++) {
        static char body[128];
        snprintf(body, sizeof(body), "{\"input\":%s,\"encoding_format\":\"base64\"}", cases[i].input);
        CHECK_OK(fixture_read(&f, LLM_EMBEDDINGS, body));
        CHECK_EQ(llm_request_input_estimate(&f.request), cases[i].tokens);
        CHECK(f.request.wants_base64);
    }
    fixture_fini(&f);
}

TEST(empty_and_mixed_embedding_inputs_are_refused)
{
    static const char *const inputs[] = {
        "\"\"", "[]", "[\"a\",\"\"]", "[[]]", "[1,\"a\"]", "[\"a\",1]", "[[1],2]", "[1.5]", "[null]", "[{}]",
        "[-1]",
    };
    for (size_t i = 0; i < HZ_LEN(inputs); i++) {
        static char body[64];
        snprintf(body, sizeof(body), "{\"input\":%s}", inputs[i]);
        check_refused(LLM_EMBEDDINGS, body, "input", "none may be empty");
    }
    check_refused(LLM_EMBEDDINGS, "{}", "input", "is required");
    check_refused(LLM_EMBEDDINGS, "{\"input\":{}}", "input", "a string or an array");
    check_refused(LLM_EMBEDDINGS, "{\"input\":\"a\",\"encoding_format\":\"hex\"}", "encoding_format",
                  "float or base64");
    check_refused(LLM_EMBEDDINGS, "{\"input\":\"a\",\"dimensions\":0}", "dimensions", "from 1");
}

TEST(a_deployment_is_offered_only_what_it_can_do)
{
    static struct fixture f;
    fixture_init(&f, DIALECT_OPENAI);
    struct capabilities none = { 0 }, embedding = { .is_embedding = true };
    static const struct {
        const char *member, *param;
    } cases[] = {
        { "\"tools\":[{}]", "tools" },
        { "\"response_format\":{\"type\":\"json_object\"}", "response_format" },
        { "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{}}", "response_format" },
    };
    for (size_t i = 0; i < HZ_LEN(cases); i++) {
        static char body[256];
        snprintf(body, sizeof(body), "{%s," USER_HI "}", cases[i].member);
        CHECK_OK(fixture_read(&f, LLM_CHAT, body));
        CHECK_OK(llm_request_fits(&f.request, &f.deployment.caps, &f.fail));
        CHECK_ERR(llm_request_fits(&f.request, &none, &f.fail), ERR_BAD_REQUEST);
        CHECK_STR(str_of(f.fail.param), cases[i].param);
    }
    CHECK_OK(fixture_read(&f, LLM_CHAT, "{" USER_HI "}"));
    CHECK_OK(llm_request_fits(&f.request, &none, &f.fail));
    CHECK_ERR(llm_request_fits(&f.request, &embedding, &f.fail), ERR_BAD_REQUEST);
    CHECK_OK(fixture_read(&f, LLM_EMBEDDINGS, "{\"input\":\"a\"}"));
    CHECK_ERR(llm_request_fits(&f.request, &none, &f.fail), ERR_BAD_REQUEST);
    CHECK_OK(fixture_read(&f, LLM_CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
                                        "\"image_url\",\"image_url\":\"data:x\"}]}]}"));
    CHECK_ERR(llm_request_fits(&f.request, &none, &f.fail), ERR_BAD_REQUEST);
    fixture_fini(&f);
}

/* 2833 + 8 tiles of 5667: the largest image under the dearest rule. */
enum { DEAREST_IMAGE = 48169 };

TEST(the_bound_of_the_input_holds_for_any_tokenizer_and_image)
{
    static struct fixture f;
    fixture_init(&f, DIALECT_OPENAI);
    CHECK_OK(fixture_read(&f, LLM_CHAT, "{" USER_HI "}"));
    CHECK_EQ(llm_request_input_bound(&f.request), (int64_t)f.request.body.len);

    CHECK_OK(fixture_read(&f, LLM_CHAT,
        "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"hi\"},"
        "{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://example.org/a.png\"}},"
        "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,AAAAAAAAAAAA\"}}]}]}"));
    int64_t urls = (int64_t)(sizeof("\"https://example.org/a.png\"") - 1 +
                             sizeof("\"data:image/png;base64,AAAAAAAAAAAA\"") - 1);
    CHECK_EQ(llm_request_input_bound(&f.request),
             (int64_t)f.request.body.len - urls + 2 * (int64_t)DEAREST_IMAGE);
    fixture_fini(&f);
}

RUN_TESTS(T(the_bound_of_the_input_holds_for_any_tokenizer_and_image), T(everything_the_gateway_needs_is_read_in_one_pass),
          T(absent_and_null_fields_take_their_defaults), T(a_prefill_is_an_assistants_message_at_the_end),
          T(wrong_types_name_the_field_and_what_is_allowed), T(messages_are_checked_member_by_member),
          T(an_assistant_turn_of_tool_calls_alone_is_a_prompt),
          T(embedding_inputs_of_all_four_forms_are_taken_and_counted),
          T(empty_and_mixed_embedding_inputs_are_refused),
          T(a_deployment_is_offered_only_what_it_can_do))

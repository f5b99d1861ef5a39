#include "test.h"

#include "config/capabilities.h"

static struct capabilities guess(enum dialect dialect, const char *deployment, const char *model)
{
    struct capabilities caps;
    capabilities_guess(dialect, str_of(deployment), str_of(model), &caps);
    return caps;
}

static bool drops(const struct capabilities *caps, const char *field)
{
    for (size_t i = 0; i < caps->drop_params_len; i++) {
        if (str_is(caps->drop_params[i], field))
            return true;
    }
    return false;
}

TEST(reasoning_models_are_told_from_their_families)
{
    struct capabilities r1 = guess(DIALECT_FOUNDRY_MODELS, "DeepSeek-R1-0528", "x");
    CHECK(r1.reasoning == REASONING_THINK_TAG && r1.strips_reasoning_in && !r1.has_tools);
    CHECK(r1.default_max_tokens >= 4096 && drops(&r1, "temperature"));
    struct capabilities v3 = guess(DIALECT_FOUNDRY_V1, "DeepSeek-V3.2", "x");
    CHECK(v3.reasoning == REASONING_NONE && v3.has_tools);
    struct capabilities o3 = guess(DIALECT_OPENAI, "o3-mini", "x");
    CHECK(o3.max_tokens_field == MAX_TOKENS_COMPLETION && drops(&o3, "temperature"));
    CHECK(guess(DIALECT_OPENAI, "gpt-5.1", "x").max_tokens_field == MAX_TOKENS_COMPLETION);
}

TEST(the_longest_prefix_at_a_word_s_end_wins)
{
    CHECK_EQ(guess(DIALECT_OPENAI, "gpt-4", "x").default_max_tokens, 4096);
    CHECK_EQ(guess(DIALECT_OPENAI, "gpt-4-turbo", "x").default_max_tokens, 4096);
    CHECK_EQ(guess(DIALECT_OPENAI, "gpt-4o-mini", "x").default_max_tokens, 0);
    CHECK(guess(DIALECT_OPENAI, "gpt-4o", "x").has_json_schema);
    CHECK(!guess(DIALECT_OPENAI, "gpt-4-turbo", "x").has_json_schema);
    CHECK(guess(DIALECT_OPENAI, "o100", "x").has_tools &&
          guess(DIALECT_OPENAI, "o100", "x").drop_params_len == 0);
    CHECK(guess(DIALECT_OPENAI, "mistral-embed", "x").is_embedding);
}

TEST(a_name_of_no_family_falls_back_to_the_model_s)
{
    CHECK(!guess(DIALECT_FOUNDRY_V1, "production-chat", "phi-4").has_tools);
    CHECK(guess(DIALECT_OPENAI, "production-chat", "house-model").has_tools);
    CHECK(!guess(DIALECT_OPENAI, "meta-llama/Llama-3.3-70B-Instruct", "x").has_tools);
    CHECK(!guess(DIALECT_OPENAI, "Meta-Llama-3.3-70B", "x").has_tools);
}

TEST(the_models_route_sends_usage_unasked)
{
    CHECK_EQ(guess(DIALECT_FOUNDRY_MODELS, "Phi-4", "x").stream_usage, STREAM_USAGE_ALWAYS);
    CHECK_EQ(guess(DIALECT_FOUNDRY_V1, "Phi-4", "x").stream_usage, STREAM_USAGE_OPTION);
}

RUN_TESTS(T(reasoning_models_are_told_from_their_families),
          T(the_longest_prefix_at_a_word_s_end_wins),
          T(a_name_of_no_family_falls_back_to_the_model_s), T(the_models_route_sends_usage_unasked))

#include "config/capabilities.h"

/*
 * Source: the model tables and peculiarities of the vendors' documentation as of 2026-11
 * (Microsoft's model catalogue, DeepSeek's API guide, OpenAI's reference). Where sources differ the
 * smaller figure stands; the configuration overrides every entry.
 */

enum takes {
    TOOLS = 1,
    JSON_OBJECT = 2,
    JSON_SCHEMA = 4,
    VISION = 8,
    DEVELOPER = 16,
    FLATTEN = 32, /* refuses text as an array of parts */
    STRIP = 64,   /* refuses its own reasoning in replayed turns */
    EMBEDDING = 128
};

#define NAMES(...)                                \
    .drop = (const struct str[]) { __VA_ARGS__ }, \
    .drop_len = sizeof((const struct str[]) { __VA_ARGS__ }) / sizeof(struct str)
/* clang-format off */
#define NAME(text) { "" text, sizeof(text) - 1 }
/* clang-format on */

/* A prefix ends where the name does, or before a character that is no letter or digit. */
struct family {
    const char *prefix;
    unsigned takes;
    enum max_tokens_field max_tokens_field;
    enum reasoning_format reasoning;
    int64_t default_max_tokens;
    const struct str *drop;
    size_t drop_len;
};

#define ALL_OF_GPT (TOOLS | JSON_OBJECT | JSON_SCHEMA | VISION | DEVELOPER)
/* Reasoning models of OpenAI refuse sampling parameters. */
#define DROPS_SAMPLING                                                                             \
    NAMES(NAME("temperature"), NAME("top_p"), NAME("presence_penalty"), NAME("frequency_penalty"), \
          NAME("logprobs"), NAME("top_logprobs"))
/* R1 takes sampling parameters without effect or refuses them, and knows no tools or formats. */
#define DROPS_OF_R1                                                                                \
    NAMES(NAME("temperature"), NAME("top_p"), NAME("presence_penalty"), NAME("frequency_penalty"), \
          NAME("logprobs"), NAME("top_logprobs"), NAME("response_format"))

/* The longest prefix wins. */
/* clang-format off */
static const struct family families[] = {
    { "deepseek-r1", FLATTEN | STRIP, MAX_TOKENS_OLD, REASONING_THINK_TAG, 8192, DROPS_OF_R1 },
    { "deepseek-reasoner", FLATTEN | STRIP, MAX_TOKENS_OLD, REASONING_THINK_TAG, 8192, DROPS_OF_R1 },
    { "deepseek", TOOLS | JSON_OBJECT | FLATTEN, MAX_TOKENS_OLD, REASONING_NONE, 0, NULL, 0 },
    { "mistral-large-3", TOOLS | JSON_OBJECT | JSON_SCHEMA | VISION, MAX_TOKENS_OLD, REASONING_NONE, 0,
      NULL, 0 },
    { "mistral", TOOLS | JSON_OBJECT | FLATTEN, MAX_TOKENS_OLD, REASONING_NONE, 0, NULL, 0 },
    { "phi-4-multimodal", VISION, MAX_TOKENS_OLD, REASONING_NONE, 0, NULL, 0 },
    { "phi-4-reasoning", FLATTEN | STRIP, MAX_TOKENS_OLD, REASONING_THINK_TAG, 0, NULL, 0 },
    { "phi", FLATTEN, MAX_TOKENS_OLD, REASONING_NONE, 0, NULL, 0 },
    { "llama-3.2-11b-vision", VISION, MAX_TOKENS_OLD, REASONING_NONE, 0, NULL, 0 },
    { "llama-3.2-90b-vision", VISION, MAX_TOKENS_OLD, REASONING_NONE, 0, NULL, 0 },
    { "llama-4", TOOLS | JSON_OBJECT | VISION, MAX_TOKENS_OLD, REASONING_NONE, 0, NULL, 0 },
    { "llama", FLATTEN, MAX_TOKENS_OLD, REASONING_NONE, 0, NULL, 0 },
    { "gpt-35-turbo", TOOLS | JSON_OBJECT, MAX_TOKENS_OLD, REASONING_NONE, 0, NULL, 0 },
    { "gpt-3.5-turbo", TOOLS | JSON_OBJECT, MAX_TOKENS_OLD, REASONING_NONE, 0, NULL, 0 },
    /* Azure answers 16 tokens when max_tokens is left out. */
    { "gpt-4", TOOLS | JSON_OBJECT | VISION, MAX_TOKENS_OLD, REASONING_NONE, 4096, NULL, 0 },
    { "gpt-4o", ALL_OF_GPT, MAX_TOKENS_AS_IS, REASONING_NONE, 0, NULL, 0 },
    { "gpt-4.1", ALL_OF_GPT, MAX_TOKENS_AS_IS, REASONING_NONE, 0, NULL, 0 },
    { "gpt-5", ALL_OF_GPT, MAX_TOKENS_COMPLETION, REASONING_NONE, 0, DROPS_SAMPLING },
    { "gpt-5.1", ALL_OF_GPT, MAX_TOKENS_COMPLETION, REASONING_NONE, 0, DROPS_SAMPLING },
    { "gpt-6", ALL_OF_GPT, MAX_TOKENS_COMPLETION, REASONING_NONE, 0, DROPS_SAMPLING },
    { "o1", ALL_OF_GPT, MAX_TOKENS_COMPLETION, REASONING_NONE, 0, DROPS_SAMPLING },
    { "o3", ALL_OF_GPT, MAX_TOKENS_COMPLETION, REASONING_NONE, 0, DROPS_SAMPLING },
    { "o4", ALL_OF_GPT, MAX_TOKENS_COMPLETION, REASONING_NONE, 0, DROPS_SAMPLING },
    { "text-embedding", EMBEDDING, MAX_TOKENS_AS_IS, REASONING_NONE, 0, NULL, 0 },
    { "mistral-embed", EMBEDDING, MAX_TOKENS_AS_IS, REASONING_NONE, 0, NULL, 0 },
    { "cohere-embed", EMBEDDING, MAX_TOKENS_AS_IS, REASONING_NONE, 0, NULL, 0 },
    { "embed", EMBEDDING, MAX_TOKENS_AS_IS, REASONING_NONE, 0, NULL, 0 },
};
/* clang-format on */

static const struct family unknown_family = {
    "", TOOLS | JSON_OBJECT | JSON_SCHEMA | VISION, MAX_TOKENS_AS_IS, REASONING_NONE, 0, NULL, 0
};

static bool is_word_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool belongs_to(struct str name, struct str prefix)
{
    return str_eq_nocase(str_first(name, prefix.len), prefix) &&
           (name.len == prefix.len || !is_word_char(name.at[prefix.len]));
}

/* "meta-llama/Llama-3.3-70B-Instruct" and "Meta-Llama-3.3-70B" are both a llama. */
static struct str without_vendor(struct str name)
{
    while (str_find_char(name, '/') != SIZE_MAX)
        name = str_skip(name, str_find_char(name, '/') + 1);
    return belongs_to(name, STR("meta-llama")) ? str_skip(name, 5) : name;
}

static const struct family *family_of(struct str name)
{
    const struct family *best = NULL;
    name = without_vendor(name);
    for (size_t i = 0; i < HZ_LEN(families); i++) {
        const struct family *f = &families[i];
        if (belongs_to(name, str_of(f->prefix)) &&
            (!best || strlen(f->prefix) > strlen(best->prefix)))
            best = f;
    }
    return best;
}

void capabilities_guess(enum dialect dialect, struct str deployment, struct str model,
                        struct capabilities *out)
{
    const struct family *f = family_of(deployment);
    if (!f)
        f = family_of(model);
    if (!f)
        f = &unknown_family;
    *out = (struct capabilities) {
        .has_tools = f->takes & TOOLS,
        .has_json_object = f->takes & JSON_OBJECT,
        .has_json_schema = f->takes & JSON_SCHEMA,
        .has_vision = f->takes & VISION,
        .has_developer_role = f->takes & DEVELOPER,
        .flattens_text_parts = f->takes & FLATTEN,
        .strips_reasoning_in = f->takes & STRIP,
        .is_embedding = f->takes & EMBEDDING,
        .max_tokens_field = f->max_tokens_field,
        .reasoning = f->reasoning,
        .default_max_tokens = f->default_max_tokens,
        .drop_params = f->drop,
        .drop_params_len = f->drop_len,
    };
    /* The /models route sends usage unasked in its last chunk, and refuses fields that it does not
     * know: stream_options among them. */
    if (dialect == DIALECT_FOUNDRY_MODELS)
        out->stream_usage = STREAM_USAGE_ALWAYS;
}

#ifndef HZ_MODEL_DEPLOYMENT_H
#define HZ_MODEL_DEPLOYMENT_H
/*
 * deployment - providers, models, and what connects them, as the configuration states them.
 *
 * Owner:  the configuration snapshot's arena; immutable, shared between threads.
 */

#include "base/str.h"
#include "model/price.h"

enum provider_kind {
    PROVIDER_AZURE_FOUNDRY,
    PROVIDER_AZURE_OPENAI,
    PROVIDER_OPENAI,
    PROVIDER_OPENAI_COMPATIBLE,
    PROVIDER_SIM,
    PROVIDER_KINDS
};

/* How a request is worded on the wire (spec: providers.md §1.1 kinds A, C and F, and §3). */
enum dialect {
    DIALECT_OPENAI,         /* {base}/chat/completions, Bearer key */
    DIALECT_FOUNDRY_V1,     /* {base}/openai/v1/chat/completions, api-key */
    DIALECT_FOUNDRY_MODELS, /* {base}/models/chat/completions?api-version=, api-key */
    DIALECT_AZURE_OPENAI,   /* {base}/openai/deployments/{d}/chat/completions?api-version=, api-key */
    DIALECTS
};

struct timeouts {
    int64_t connect_ms;
    int64_t first_content_ms;
    int64_t idle_ms;
    int64_t attempt_ms;
    int64_t total_ms;
};

struct provider {
    struct str name;
    enum provider_kind kind;
    enum dialect dialect;
    struct str base_url;
    bool is_tls;
    struct str host; /* without brackets for IPv6 */
    int port;
    struct str base_path; /* of base_url, without a trailing slash; may be empty */
    struct str region;
    struct str api_version; /* empty: the dialect's default */
    struct str key_ref;     /* env:NAME, file:PATH, identity, or empty */
    struct str key;         /* resolved before anything starts; empty when none is needed */
    bool is_key_bearer;     /* Authorization: Bearer instead of api-key */
    struct str ca_file;     /* trust this file instead of the system's store */
    struct timeouts timeouts;
    unsigned index; /* position in config.providers */
};

enum max_tokens_field { MAX_TOKENS_AS_IS, MAX_TOKENS_OLD, MAX_TOKENS_COMPLETION };
enum stream_usage { STREAM_USAGE_OPTION, STREAM_USAGE_ALWAYS, STREAM_USAGE_NEVER };
enum reasoning_format {
    REASONING_NONE,          /* pass as it comes */
    REASONING_THINK_TAG,     /* <think>...</think> at the start of content */
    REASONING_THINK_TAG_OPEN /* the template opened it: content starts inside */
};

/* What a model takes; spec: providers.md §4 and §10. */
struct capabilities {
    bool has_tools;
    bool has_json_object;
    bool has_json_schema;
    bool has_vision;
    bool has_developer_role;   /* else developer -> system */
    bool flattens_text_parts;  /* all-text part arrays become one string */
    bool strips_reasoning_in;  /* reasoning_content and <think> of replayed turns are removed */
    bool accepts_prefill;      /* a trailing assistant message is continued */
    bool is_embedding;
    enum max_tokens_field max_tokens_field;
    enum stream_usage stream_usage;
    enum reasoning_format reasoning;
    int64_t default_max_tokens; /* 0: the model's max_output_tokens */
    const struct str *drop_params; /* top-level fields removed from requests */
    size_t drop_params_len;
};

struct model;

struct deployment {
    const struct provider *provider;
    const struct model *model;
    struct str name;    /* the provider's name for it */
    int64_t weight;
    struct price price; /* of this deployment; PRICE_NONE if unknown */
    struct capabilities caps;
    unsigned index;     /* position in config.deployments */
};

struct model {
    struct str name;
    const struct deployment *const *deployments;
    size_t deployments_len;
    int64_t context_tokens;    /* 0 = undeclared */
    int64_t max_output_tokens; /* 0 = undeclared */
    bool allows_unpriced;
    bool is_embedding;
    struct str end_date; /* YYYY-MM-DD or empty */
    unsigned index;
};

const char *provider_kind_name(enum provider_kind kind);

#endif

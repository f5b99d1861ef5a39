#include "config/lists.h"

#define PROVIDER(member) .offset = offsetof(struct provider_entry, provider.member)
#define TIMEOUT_RANGE .min = 1, .max = 3600000, .unit = "ms"

_Static_assert(sizeof(enum provider_kind) == sizeof(int), "FIELD_CHOICE writes an int");

/* clang-format off */
static const struct field providers[] = {
    { "name", FIELD_TEXT, PROVIDER(name), .marks = FIELD_REQUIRED,
      .help = "What models, logs and the ledger call it." },
    { "kind", FIELD_CHOICE, PROVIDER(kind), .marks = FIELD_REQUIRED,
      .choices = "azure-foundry, azure-openai, openai, openai-compatible, sim",
      .help = "Whose API it is. sim is the built-in simulator." },
    { "api", FIELD_CHOICE, .offset = offsetof(struct provider_entry, api), .choices = API_CHOICES,
      .help = "How requests are worded: v1 (azure-foundry's default) or models; classic "
              "(azure-openai's default) or v1; openai for the others. sim takes each." },
    { "base_url", FIELD_TEXT, PROVIDER(base_url),
      .help = "Azure: the resource's address alone. openai and openai-compatible: up to and with /v1. "
              "sim: leave out for the simulator inside the process." },
    { "region", FIELD_TEXT, PROVIDER(region),
      .help = "Where it answers from, for answers and the ledger; default: server.region." },
    { "key", FIELD_TEXT, PROVIDER(key_ref),
      .help = "Where its key is: env:NAME or file:PATH, never the key itself. openai-compatible and "
              "sim may go without." },
    { "auth", FIELD_CHOICE, .offset = offsetof(struct provider_entry, auth),
      .choices = "api-key, bearer",
      .help = "Header of the key: api-key, or Authorization: Bearer. Default: api-key for Azure's "
              "APIs, except on serverless endpoints." },
    { "api_version", FIELD_TEXT, PROVIDER(api_version),
      .help = "api-version in the query of api models and classic; default: the API's own." },
    { "ca_file", FIELD_TEXT, PROVIDER(ca_file),
      .help = "PEM file of the authorities to trust instead of the system's." },
    { "timeouts_ms.connect", FIELD_INT, PROVIDER(timeouts.connect_ms), TIMEOUT_RANGE,
      .preset = "2000", .help = "To connect, TLS included." },
    { "timeouts_ms.first_content", FIELD_INT, PROVIDER(timeouts.first_content_ms), TIMEOUT_RANGE,
      .preset = "8000", .help = "Streams: until the first content." },
    { "timeouts_ms.idle", FIELD_INT, PROVIDER(timeouts.idle_ms), TIMEOUT_RANGE, .preset = "20000",
      .help = "Between two pieces of an answer." },
    { "timeouts_ms.attempt", FIELD_INT, PROVIDER(timeouts.attempt_ms), TIMEOUT_RANGE,
      .preset = "60000", .help = "A whole answer from connecting to its end; a stream is not cut off by it." },
    { "timeouts_ms.total", FIELD_INT, PROVIDER(timeouts.total_ms), TIMEOUT_RANGE,
      .preset = "120000",
      .help = "The request with all its attempts. While others could be asked next, a limit that would "
              "use it up is cut to half of what is left." },
};
const struct field_table provider_fields = FIELD_TABLE(providers);

#define PRICE_FIELDS(type)                                                                         \
    { "price_usd_per_mtok.input", FIELD_PRICE,                                                     \
      .offset = offsetof(type, price.price.input_nusd_per_mtok),                                   \
      .help = "Dollars per million input tokens; wins over the price list." },                     \
    { "price_usd_per_mtok.output", FIELD_PRICE,                                                    \
      .offset = offsetof(type, price.price.output_nusd_per_mtok),                                  \
      .help = "Dollars per million output tokens." },                                              \
    { "price_usd_per_mtok.cached", FIELD_PRICE,                                                    \
      .offset = offsetof(type, price.price.cached_nusd_per_mtok),                                  \
      .help = "Dollars per million cached input tokens; default: as input." },                     \
    { "price_as", FIELD_TEXT, .offset = offsetof(type, price.price_as),                            \
      .help = "Row of the price list, where its name is neither the deployment's nor the model's." }

#define MODEL(member) .offset = offsetof(struct model_entry, model.member)

static const struct field models[] = {
    { "name", FIELD_TEXT, MODEL(name), .marks = FIELD_REQUIRED,
      .help = "What callers and routes call it." },
    { "context_tokens", FIELD_INT, MODEL(context_tokens), .min = 1, .max = 100000000,
      .unit = "tokens", .help = "Longest prompt with its answer, where it is known." },
    { "max_output_tokens", FIELD_INT, MODEL(max_output_tokens), .min = 1, .max = 100000000,
      .unit = "tokens", .help = "Longest answer, where it is known: sent when the caller sets no limit and it fits." },
    { "end_date", FIELD_DATE, MODEL(end_date),
      .help = "The day on which its provider retires it; past it, each start warns." },
    { "unpriced", FIELD_SWITCH, MODEL(allows_unpriced), .choices = "refuse, allow",
      .preset = "refuse",
      .help = "Without a price: refuse its calls, or allow them; their rows then say unpriced." },
    PRICE_FIELDS(struct model_entry),
    { "capabilities", FIELD_NODE, .offset = offsetof(struct model_entry, capabilities),
      .help = "What it takes, see below; default: by the family of its name." },
    { "deployments", FIELD_NODE, .offset = offsetof(struct model_entry, deployments),
      .marks = FIELD_REQUIRED, .help = "Where it runs, at least one; see below." },
};
const struct field_table model_fields = FIELD_TABLE(models);

#define DEPLOYMENT(member) .offset = offsetof(struct deployment_entry, member)

static const struct field deployments[] = {
    { "provider", FIELD_TEXT, DEPLOYMENT(provider), .marks = FIELD_REQUIRED,
      .help = "Name of a provider." },
    { "deployment", FIELD_TEXT, DEPLOYMENT(name), .marks = FIELD_FILLED,
      .help = "The provider's name for the model; default: the model's own." },
    { "weight", FIELD_INT, DEPLOYMENT(weight), .min = 0, .max = 1000000, .preset = "100",
      .help = "Share of the calls among the deployments of the model; 0: only when others fail." },
    { "prefill", FIELD_CHOICE, DEPLOYMENT(prefill), .choices = "false, true",
      .help = "It continues an assistant's message at the end: so it can go on with a stream that broke elsewhere, "
              "and callers' prefills go to it (short for capabilities.prefill)." },
    PRICE_FIELDS(struct deployment_entry),
    { "capabilities", FIELD_NODE, DEPLOYMENT(capabilities),
      .help = "What differs from the model's capabilities." },
};
const struct field_table deployment_fields = FIELD_TABLE(deployments);

#define CAP(member) .offset = offsetof(struct capabilities, member)

static const struct field capabilities[] = {
    { "tools", FIELD_BOOL, CAP(has_tools), .help = "Function calling." },
    { "json_object", FIELD_BOOL, CAP(has_json_object), .help = "response_format json_object." },
    { "json_schema", FIELD_BOOL, CAP(has_json_schema), .help = "response_format json_schema." },
    { "vision", FIELD_BOOL, CAP(has_vision), .help = "Image parts." },
    { "developer_role", FIELD_BOOL, CAP(has_developer_role),
      .help = "Messages of role developer; else they are sent as system." },
    { "flatten_text_parts", FIELD_BOOL, CAP(flattens_text_parts),
      .help = "Text given as parts is sent as one string." },
    { "strip_reasoning_input", FIELD_BOOL, CAP(strips_reasoning_in),
      .help = "Reasoning in replayed turns is removed." },
    { "prefill", FIELD_BOOL, CAP(accepts_prefill),
      .help = "It continues a trailing assistant message." },
    { "embedding", FIELD_BOOL, CAP(is_embedding), .help = "It serves embeddings, not chat." },
    { "max_tokens_field", FIELD_CHOICE, CAP(max_tokens_field),
      .choices = "as_is, max_tokens, max_completion_tokens",
      .help = "Which of the two limits it takes; as_is: both." },
    { "stream_usage", FIELD_CHOICE, CAP(stream_usage), .choices = "option, always, never",
      .help = "Usage in streams: on stream_options.include_usage, unasked, or not at all." },
    { "reasoning_format", FIELD_CHOICE, CAP(reasoning), .choices = "none, think_tag, think_tag_open",
      .help = "think_tag: reasoning stands in <think> tags; think_tag_open: the first tag is missing." },
    { "default_max_tokens", FIELD_INT, CAP(default_max_tokens), .min = 0, .max = 100000000,
      .unit = "tokens", .help = "Sent when the caller sets no limit; 0: the model's max_output_tokens." },
    { "drop_params", FIELD_NAMES, CAP(drop_params), .more = offsetof(struct capabilities, drop_params_len),
      .help = "Fields of requests that it does not take: they are removed." },
};
const struct field_table capability_fields = FIELD_TABLE(capabilities);

#define ROUTE(member) .offset = offsetof(struct route_entry, member)
#define ROUTE_NAMES(member)                                                                        \
    .offset = offsetof(struct route_entry, member.at),                                             \
    .more = offsetof(struct route_entry, member.len)

static const struct field routes[] = {
    { "feature", FIELD_TEXT, ROUTE(feature), .help = "Only calls of this feature (insights, campaigns)." },
    { "type", FIELD_NAMES, ROUTE_NAMES(types), .choices = CALL_TYPES_ALLOWED,
      .help = "Only calls of one of these kinds." },
    { "language", FIELD_TEXT, ROUTE(language), .help = "Only calls in this language (fr, en)." },
    { "tier", FIELD_TEXT, ROUTE(tier), .choices = TIERS_ALLOWED,
      .help = "Only calls of accounts of this tier." },
    { "models", FIELD_NAMES, ROUTE_NAMES(models), .marks = FIELD_REQUIRED,
      .help = "Models to try, in this order." },
    { "choose", FIELD_CHOICE, ROUTE(choose), .choices = "first, cheapest, fastest",
      .preset = "first", .help = "Which of the healthy models comes first." },
    { "timeouts_ms.connect", FIELD_INT, ROUTE(timeouts.connect_ms), TIMEOUT_RANGE,
      .help = "In place of the provider's." },
    { "timeouts_ms.first_content", FIELD_INT, ROUTE(timeouts.first_content_ms), TIMEOUT_RANGE,
      .help = "In place of the provider's." },
    { "timeouts_ms.idle", FIELD_INT, ROUTE(timeouts.idle_ms), TIMEOUT_RANGE,
      .help = "In place of the provider's." },
    { "timeouts_ms.attempt", FIELD_INT, ROUTE(timeouts.attempt_ms), TIMEOUT_RANGE,
      .help = "In place of the provider's." },
    { "timeouts_ms.total", FIELD_INT, ROUTE(timeouts.total_ms), TIMEOUT_RANGE,
      .help = "In place of the provider's." },
};
const struct field_table route_fields = FIELD_TABLE(routes);

static const struct field fallbacks[] = {
    { "from", FIELD_TEXT, .offset = offsetof(struct fallback_entry, from), .marks = FIELD_REQUIRED,
      .help = "A model's name, or \"*\" for every model." },
    { "to", FIELD_NAMES, .offset = offsetof(struct fallback_entry, to.at),
      .more = offsetof(struct fallback_entry, to.len), .marks = FIELD_REQUIRED,
      .help = "Models that are tried after the route's own." },
};
const struct field_table fallback_fields = FIELD_TABLE(fallbacks);

#define FAILURE(member) .offset = offsetof(struct failure_entry, member)

static const struct field failures[] = {
    { "provider", FIELD_TEXT, FAILURE(provider), .preset = "*",
      .help = "A provider's name, or \"*\" for every provider." },
    { "outcome", FIELD_TEXT, FAILURE(outcome), .choices = OUTCOMES_OVERRIDABLE,
      .marks = FIELD_REQUIRED, .help = "The row of the failure table (docs/operations.md)." },
    { "again", FIELD_CHOICE, FAILURE(again), .choices = AGAIN_CHOICES,
      .help = "The same deployment again, where the plan has no other: after 1, 2 and 4 s." },
    { "next", FIELD_CHOICE, FAILURE(next), .choices = NEXT_CHOICES,
      .help = "The next deployment; larger: only one whose model declares more context, or none." },
    { "breaker", FIELD_CHOICE, FAILURE(breaker), .choices = "false, true",
      .help = "Counts as a failure for the circuit breaker." },
};
const struct field_table failure_fields = FIELD_TABLE(failures);
/* clang-format on */

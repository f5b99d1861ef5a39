#include "llm/llm.h"

#include "llm/count.h"
#include "llm/image.h"
#include "llm/key.h"
#include "llm/prompt.h"
#include "llm/refuse.h"

enum { CHAT_ONLY = 1 << LLM_CHAT, EMBEDDINGS_ONLY = 1 << LLM_EMBEDDINGS, BOTH = 3 };
enum { CHOICES_MAX = LLM_STREAM_CHOICES_MAX };

struct reading {
    struct arena *arena;
    struct llm_request *request;
    struct fail *fail;
};

typedef enum err member_fn(struct reading *in, struct str value);

static void add_schema(struct reading *in, struct str value)
{
    struct llm_request *r = in->request;
    HZ_ASSERT(r->schemas_len < HZ_LEN(r->schemas));
    r->schemas[r->schemas_len++] = value;
}

static enum err read_model(struct reading *in, struct str value)
{
    in->request->model = json_to_str(in->arena, value);
    return OK;
}

static enum err read_messages(struct reading *in, struct str value)
{
    struct llm_request *r = in->request;
    struct prompt_facts facts = { 0 };
    enum err err = prompt_check_messages(value, &facts, in->fail);
    r->messages = value;
    r->asked = facts.asked;
    r->has_images = facts.has_images;
    r->has_prefill = facts.has_prefill;
    r->media = facts.media;
    r->image_bytes = facts.image_bytes;
    return err;
}

static enum err read_input(struct reading *in, struct str value)
{
    in->request->input = value;
    return prompt_check_input(value, in->fail);
}

static enum err read_stream(struct reading *in, struct str value)
{
    in->request->is_stream = in->request->operation == LLM_CHAT && json_is_true(value);
    return OK;
}

static enum err read_stream_options(struct reading *in, struct str value)
{
    struct str wants = json_get(value, "include_usage");
    if (wants.at && !json_is_null(wants) && json_kind(wants) != JSON_BOOL)
        return refuse(in->fail, "stream_options.include_usage", "must be a boolean");
    in->request->wants_usage = json_is_true(wants);
    return OK;
}

static enum err read_max_tokens(struct reading *in, struct str value)
{
    int64_t max;
    /* With both fields given, the larger one is the upper bound of what may be billed. */
    if (json_to_i64(value, &max))
        in->request->max_tokens = HZ_MAX(in->request->max_tokens, max);
    return OK;
}

static enum err read_n(struct reading *in, struct str value)
{
    return json_to_i64(value, &in->request->n) ? OK : ERR_BAD_REQUEST;
}

static enum err read_tools(struct reading *in, struct str value)
{
    in->request->has_tools |= json_len(value) > 0;
    add_schema(in, value);
    return OK;
}

static enum err read_response_format(struct reading *in, struct str value)
{
    struct str type = json_get(value, "type");
    if (json_kind(type) != JSON_STRING)
        return refuse(in->fail, "response_format.type",
                      "must be a string: text, json_object or json_schema");
    in->request->wants_json_object = str_is(type, "\"json_object\"");
    in->request->wants_json_schema = str_is(type, "\"json_schema\"");
    if (!in->request->wants_json_schema)
        return OK;
    struct str schema = json_get(value, "json_schema");
    if (json_kind(schema) != JSON_OBJECT)
        return refuse(in->fail, "response_format.json_schema", "must be an object");
    add_schema(in, schema);
    return OK;
}

static enum err read_encoding_format(struct reading *in, struct str value)
{
    in->request->wants_base64 = str_is(value, "\"base64\"");
    if (!in->request->wants_base64 && !str_is(value, "\"float\""))
        return refuse(in->fail, "encoding_format", "must be float or base64");
    return OK;
}

/* Fields that we know; all others pass unseen. null stands for "not given", except where the field
 * is required. */
static const struct field {
    struct str name;
    unsigned operations;
    unsigned kinds;
    int64_t min, max; /* of whole numbers */
    member_fn *read;  /* or NULL: only the type is checked */
} fields[] = {
    { STR("dimensions"), EMBEDDINGS_ONLY, KIND_WHOLE, 1, INT32_MAX, NULL },
    { STR("encoding_format"), EMBEDDINGS_ONLY, KIND_STRING, 0, 0, read_encoding_format },
    { STR("frequency_penalty"), CHAT_ONLY, KIND_NUMBER, 0, 0, NULL },
    { STR("function_call"), CHAT_ONLY, KIND_STRING | KIND_OBJECT, 0, 0, NULL },
    { STR("functions"), CHAT_ONLY, KIND_ARRAY, 0, 0, read_tools },
    { STR("input"), EMBEDDINGS_ONLY, KIND_STRING | KIND_ARRAY | KIND_REQUIRED, 0, 0, read_input },
    { STR("logit_bias"), CHAT_ONLY, KIND_OBJECT, 0, 0, NULL },
    { STR("logprobs"), CHAT_ONLY, KIND_BOOL, 0, 0, NULL },
    { STR("max_completion_tokens"), CHAT_ONLY, KIND_WHOLE, 1, INT32_MAX, read_max_tokens },
    { STR("max_tokens"), CHAT_ONLY, KIND_WHOLE, 1, INT32_MAX, read_max_tokens },
    { STR("messages"), CHAT_ONLY, KIND_ARRAY | KIND_REQUIRED, 0, 0, read_messages },
    { STR("metadata"), CHAT_ONLY, KIND_OBJECT, 0, 0, NULL },
    { STR("modalities"), CHAT_ONLY, KIND_ARRAY, 0, 0, NULL },
    { STR("model"), BOTH, KIND_STRING, 0, 0, read_model },
    { STR("n"), CHAT_ONLY, KIND_WHOLE, 1, CHOICES_MAX, read_n },
    { STR("parallel_tool_calls"), CHAT_ONLY, KIND_BOOL, 0, 0, NULL },
    { STR("presence_penalty"), CHAT_ONLY, KIND_NUMBER, 0, 0, NULL },
    { STR("reasoning_effort"), CHAT_ONLY, KIND_STRING, 0, 0, NULL },
    { STR("response_format"), CHAT_ONLY, KIND_OBJECT, 0, 0, read_response_format },
    { STR("seed"), CHAT_ONLY, KIND_WHOLE, INT64_MIN, INT64_MAX, NULL },
    { STR("service_tier"), CHAT_ONLY, KIND_STRING, 0, 0, NULL },
    { STR("stop"), CHAT_ONLY, KIND_STRING | KIND_ARRAY, 0, 0, NULL },
    { STR("store"), CHAT_ONLY, KIND_BOOL, 0, 0, NULL },
    { STR("stream"), BOTH, KIND_BOOL, 0, 0, read_stream },
    { STR("stream_options"), CHAT_ONLY, KIND_OBJECT, 0, 0, read_stream_options },
    { STR("temperature"), CHAT_ONLY, KIND_NUMBER, 0, 0, NULL },
    { STR("tool_choice"), CHAT_ONLY, KIND_STRING | KIND_OBJECT, 0, 0, NULL },
    { STR("tools"), CHAT_ONLY, KIND_ARRAY, 0, 0, read_tools },
    { STR("top_logprobs"), CHAT_ONLY, KIND_WHOLE, 0, INT32_MAX, NULL },
    { STR("top_p"), CHAT_ONLY, KIND_NUMBER, 0, 0, NULL },
    { STR("user"), BOTH, KIND_STRING, 0, 0, NULL },
};

static const struct field *find_field(struct key key, enum llm_operation operation)
{
    for (size_t i = 0; i < HZ_LEN(fields); i++) {
        bool is_meant = fields[i].operations & 1u << operation;
        if (is_meant && key_is(key, fields[i].name))
            return &fields[i];
    }
    return NULL;
}

static enum err read_member(struct reading *in, const struct field *f, struct str value)
{
    if (json_is_null(value) && !(f->kinds & KIND_REQUIRED))
        return OK;
    enum err err = refuse_other_kinds(in->fail, f->name.at, f->kinds, value);
    int64_t number;
    bool is_whole = !err && f->kinds & KIND_WHOLE;
    if (is_whole && (!json_to_i64(value, &number) || number < f->min || number > f->max))
        return refuse(in->fail, f->name.at, "must be a whole number from %lld to %lld",
                      (long long)f->min, (long long)f->max);
    return err || !f->read ? err : f->read(in, value);
}

static enum err check_required(const struct reading *in)
{
    const struct llm_request *r = in->request;
    if (r->operation == LLM_CHAT && !r->messages.at)
        return refuse(in->fail, "messages", "is required: an array of at least one message");
    if (r->operation == LLM_EMBEDDINGS && !r->input.at)
        return refuse(in->fail, "input", "is required: a string or an array");
    return OK;
}

enum err llm_request_read(struct arena *a, enum llm_operation operation, struct str body,
                          struct llm_request *out, struct fail *fail)
{
    struct reading in = { .arena = a, .request = out, .fail = fail };
    struct json_iter it;
    struct str raw, value;

    *out = (struct llm_request) { .operation = operation, .body = json_trim(body), .n = 1 };
    if (json_kind(out->body) != JSON_OBJECT)
        return fail_set(fail, ERR_BAD_REQUEST, "the body must be a JSON object");
    json_iter_init(&it, out->body);
    while (json_next_member(&it, &raw, &value)) {
        const struct field *f = find_field(key_of(raw), operation);
        enum err err = f ? read_member(&in, f, value) : OK;
        if (err)
            return err;
    }
    return check_required(&in);
}

/* ,{"role":"assistant","content":""} */
enum { PREFILL_FRAME_BYTES = 35, MESSAGE_TOKENS = 3 };

void llm_request_continue(struct llm_request *r, struct str text)
{
    struct token_counter said = { 0 };
    token_count_add(&said, text);
    r->prefill = text;
    r->prefill_tokens = token_count_total(&said);
}

int64_t llm_request_input_bound(const struct llm_request *r)
{
    int64_t text_bytes = (int64_t)r->body.len - r->image_bytes;
    int64_t prefill_bytes = r->prefill.len ? (int64_t)r->prefill.len + PREFILL_FRAME_BYTES : 0;
    return text_bytes + prefill_bytes + r->media * IMAGE_TOKENS_MOST;
}

int64_t llm_request_input_estimate(const struct llm_request *r)
{
    struct token_counter schemas = { 0 };
    for (size_t i = 0; i < r->schemas_len; i++)
        token_count_add(&schemas, r->schemas[i]);
    if (r->prefill.len)
        token_count_add(&schemas, STR("assistant"));
    int64_t prefill = r->prefill.len ? r->prefill_tokens + MESSAGE_TOKENS : 0;
    return token_count_total(&schemas) + prefill +
           (r->operation == LLM_CHAT ? token_count_messages(r->messages)
                                     : prompt_count_input(r->input));
}

enum err llm_request_fits(const struct llm_request *r, const struct capabilities *caps,
                          struct fail *fail)
{
    bool is_embedding = r->operation == LLM_EMBEDDINGS;
    const struct {
        bool is_lacking;
        const char *param;
        const char *text;
    } needs[] = {
        { is_embedding && !caps->is_embedding, "model", "answers chats, it makes no embeddings" },
        { !is_embedding && caps->is_embedding, "model", "makes embeddings, it answers no chats" },
        { r->has_tools && !caps->has_tools, "tools", "are not supported by this model" },
        { r->has_images && !caps->has_vision, "messages",
          "hold images, which this model does not take" },
        { r->wants_json_object && !caps->has_json_object, "response_format",
          "json_object is not supported by this model" },
        { r->wants_json_schema && !caps->has_json_schema, "response_format",
          "json_schema is not supported by this model" },
    };
    for (size_t i = 0; i < HZ_LEN(needs); i++) {
        if (needs[i].is_lacking)
            return refuse(fail, needs[i].param, "%s", needs[i].text);
    }
    return OK;
}

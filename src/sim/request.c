#include "sim/sim_call.h"

#include "sim/script.h"
#include "sim/text.h"
#include "wire/json.h"

/*
 * The prompt's tokens: 3, and for each message 4 and its text (string or text parts), 85 for an
 * image, the names and arguments of tool calls; and the raw JSON of tools and response_format.
 */
enum { REPLY_PRIMER_TOKENS = 3, MESSAGE_TOKENS = 4, IMAGE_TOKENS = 85, QUOTED_CHARS = 80 };

/* Always false, so that a reader can end with it. */
static bool refuse(struct refusal *why, struct str param, struct str message)
{
    *why = refusal_bad(param, message);
    return false;
}

static struct str text_of(struct sim_call *c, struct str value)
{
    struct str text = json_to_str(c->arena, value);
    return text.at ? text : STR("");
}

/* Text of a message's content; several parts are joined by a space where they are quoted. */
static struct str read_content(struct sim_call *c, struct str content)
{
    if (json_kind(content) == JSON_STRING) {
        struct str text = text_of(c, content);
        c->prompt_tokens += text_tokens(text.len);
        return text;
    }
    struct json_iter it;
    struct str part, first = STR_NONE;
    if (json_kind(content) != JSON_ARRAY)
        return STR("");
    json_iter_init(&it, content);
    while (json_next_element(&it, &part)) {
        struct str type = text_of(c, json_get(part, "type"));
        if (str_is(type, "image_url")) {
            c->images++;
            c->prompt_tokens += IMAGE_TOKENS;
        } else if (str_is(type, "text")) {
            struct str text = text_of(c, json_get(part, "text"));
            c->prompt_tokens += text_tokens(text.len);
            first = !first.at ? text : first;
        }
    }
    return first.at ? first : STR("");
}

static void count_tool_calls(struct sim_call *c, struct str tool_calls)
{
    struct json_iter it;
    struct str one;
    if (json_kind(tool_calls) != JSON_ARRAY)
        return;
    json_iter_init(&it, tool_calls);
    while (json_next_element(&it, &one)) {
        c->prompt_tokens += text_tokens(text_of(c, json_path(one, "function.name")).len);
        c->prompt_tokens += text_tokens(text_of(c, json_path(one, "function.arguments")).len);
    }
}

static bool read_messages(struct sim_call *c, struct str messages, struct refusal *why)
{
    struct json_iter it;
    struct str message;
    if (json_kind(messages) != JSON_ARRAY || json_len(messages) == 0)
        return refuse(why, STR("messages"),
                      STR("'messages' must be a list with at least one message."));
    c->prompt_tokens = REPLY_PRIMER_TOKENS;
    json_iter_init(&it, messages);
    while (json_next_element(&it, &message)) {
        if (json_kind(message) != JSON_OBJECT)
            return refuse(why, STR("messages"), STR("A message must be an object."));
        int64_t before = c->prompt_tokens;
        struct str role = text_of(c, json_get(message, "role"));
        struct str text = read_content(c, json_get(message, "content"));
        count_tool_calls(c, json_get(message, "tool_calls"));
        c->prompt_tokens += MESSAGE_TOKENS;
        c->is_tool_turn = str_is(role, "tool");
        if (c->is_tool_turn)
            c->tool_result = text_first_chars(text, QUOTED_CHARS);
        else if (str_is(role, "user"))
            c->last_text = text_first_chars(text, QUOTED_CHARS);
        bool is_prefill = c->behave.prefill && str_is(role, "assistant");
        c->prefill = is_prefill ? text : STR_NONE;
        c->prefill_tokens = is_prefill ? c->prompt_tokens - before : 0;
    }
    if (c->prefill.at && c->behave.prefill == PREFILL_REFUSED)
        return refuse(why, STR("messages"), STR("The last message must be a user's or a tool's."));
    return true;
}

static bool read_tools(struct sim_call *c, struct refusal *why)
{
    struct str tools = json_get(c->body, "tools");
    struct str choice = json_get(c->body, "tool_choice");
    if (json_is_null(tools))
        return true;
    if (json_kind(tools) != JSON_ARRAY || json_len(tools) == 0)
        return refuse(why, STR("tools"), STR("'tools' must be a list with at least one tool."));
    c->tools = tools;
    c->prompt_tokens += text_tokens(tools.len);
    c->has_tool_choice_none = str_is(text_of(c, choice), "none");
    c->forced_tool = text_of(c, json_path(choice, "function.name"));
    return true;
}

static void read_format(struct sim_call *c)
{
    struct str format = json_get(c->body, "response_format");
    struct str type = text_of(c, json_get(format, "type"));
    c->schema = str_is(type, "json_schema") ? json_path(format, "json_schema.schema") : STR_NONE;
    c->wants_json = str_is(type, "json_object") || str_is(type, "json_schema");
    if (c->wants_json)
        c->prompt_tokens += text_tokens(format.len);
}

/* An absent or null member leaves *out as it is. */
static bool read_number(struct sim_call *c, const char *name, int64_t least, int64_t *out,
                        struct refusal *why)
{
    struct str value = json_get(c->body, name);
    if (json_is_null(value) || (json_to_i64(value, out) && *out >= least))
        return true;
    return refuse(
        why, str_of(name),
        arena_printf(c->arena, "'%s' must be a number of at least %d.", name, (int)least));
}

static bool read_chat(struct sim_call *c, struct refusal *why)
{
    c->n = 1;
    c->max_tokens = -1;
    if (!read_messages(c, json_get(c->body, "messages"), why) || !read_tools(c, why) ||
        !read_number(c, "n", 1, &c->n, why) ||
        !read_number(c, "max_tokens", 1, &c->max_tokens, why) ||
        !read_number(c, "max_completion_tokens", 1, &c->max_tokens, why))
        return false;
    if (c->n > 128)
        return refuse(why, STR("n"), STR("'n' must be at most 128."));
    read_format(c);
    c->is_stream = json_is_true(json_get(c->body, "stream"));
    c->wants_usage = json_is_true(json_path(c->body, "stream_options.include_usage"));
    c->seed = str_hash(c->last_text) ^ (uint64_t)(c->prompt_tokens - c->prefill_tokens);
    return true;
}

static bool read_embeddings(struct sim_call *c, struct refusal *why)
{
    c->dimensions = -1;
    c->input = json_get(c->body, "input");
    c->wants_base64 = str_is(text_of(c, json_get(c->body, "encoding_format")), "base64");
    enum json_kind kind = json_kind(c->input);
    if ((kind != JSON_STRING && kind != JSON_ARRAY) ||
        (kind == JSON_ARRAY && json_len(c->input) == 0))
        return refuse(why, STR("input"), STR("'input' must be text or a list that is not empty."));
    return read_number(c, "dimensions", 1, &c->dimensions, why);
}

/* Kind C's contract; everything else is an extra parameter. */
static const char *const contract[] = {
    "dimensions",
    "encoding_format",
    "frequency_penalty",
    "input",
    "input_type",
    "max_tokens",
    "messages",
    "modalities",
    "model",
    "presence_penalty",
    "response_format",
    "seed",
    "stop",
    "stream",
    "temperature",
    "tool_choice",
    "tools",
    "top_p",
};

static bool in_contract(struct str raw_key)
{
    for (size_t i = 0; i < HZ_LEN(contract); i++) {
        if (json_key_is(raw_key, contract[i]))
            return true;
    }
    return false;
}

static bool check_extras(struct sim_call *c, struct refusal *why)
{
    struct str extra = http_head_get(&c->http->head, "extra-parameters");
    if (c->dialect != DIALECT_FOUNDRY_MODELS || str_eq_nocase(extra, STR("drop")) ||
        str_eq_nocase(extra, STR("pass-through")))
        return true;
    struct json_iter it;
    struct str key, value;
    json_iter_init(&it, c->body);
    while (json_next_member(&it, &key, &value)) {
        if (in_contract(key))
            continue;
        *why = (struct refusal) { 422,
                                  "invalid_request_error",
                                  "unsupported_parameter",
                                  "parameter_not_supported",
                                  STR("One of the parameters is not in the contract."),
                                  text_of(c, key) };
        return false;
    }
    return true;
}

/* Reasoning models of the GPT line take max_completion_tokens only. */
static bool is_gpt_reasoner(struct str model)
{
    return str_starts(model, STR("o1")) || str_starts(model, STR("o3")) ||
           str_starts(model, STR("o4")) || str_starts(model, STR("gpt-5"));
}

static bool check_forbidden(struct sim_call *c, struct refusal *why)
{
    struct str name = c->behave.forbid;
    if (!name.at && is_gpt_reasoner(c->model) && json_get(c->body, "max_tokens").at)
        name = STR("max_tokens");
    if (!name.at || !json_get(c->body, arena_cstr(c->arena, name)).at)
        return true;
    *why =
        (struct refusal) { c->dialect == DIALECT_FOUNDRY_MODELS ? 422 : 400,
                           "invalid_request_error",
                           "unsupported_parameter",
                           "unsupported_parameter",
                           arena_printf(c->arena, "Unsupported parameter: '%.*s'.", STR_ARG(name)),
                           name };
    return false;
}

static bool read_name(struct sim_call *c, struct refusal *why, struct fail *fail)
{
    if (c->dialect != DIALECT_AZURE_OPENAI)
        c->name = text_of(c, json_get(c->body, "model"));
    if (c->name.len == 0)
        return refuse(why, STR("model"), STR("'model' must be given, as text."));
    struct str words = c->name;
    c->model = str_cut(&words, '+');
    script_apply(sim_script(c->sim), c->arena, c->model, c->http->head.path, &c->behave);
    if (behaviour_apply(&c->behave, words, fail) == OK)
        return true;
    return refuse(why, STR("model"), arena_str(c->arena, str_of(fail->text)));
}

bool sim_call_read(struct sim_call *c, struct refusal *why)
{
    struct fail fail = { 0 };
    c->body = json_trim(c->http->body);
    if (json_check(c->body, &fail) != OK || json_kind(c->body) != JSON_OBJECT)
        return refuse(why, STR_NONE,
                      arena_printf(c->arena, "The body is not a JSON object. %s", fail.text));
    if (!read_name(c, why, &fail) || !check_extras(c, why) || !check_forbidden(c, why))
        return false;
    return c->operation == SIM_CHAT ? read_chat(c, why) : read_embeddings(c, why);
}

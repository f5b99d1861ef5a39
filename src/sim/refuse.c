#include "sim/sim_call.h"

#include "wire/json.h"

/* Azure's codes are strings, often the status itself. */
static const struct {
    int status;
    const char *type, *code, *azure_code, *message;
} table[] = {
    { 400, "invalid_request_error", "invalid_value", "invalid_request",
      "The request is not valid." },
    { 401, "invalid_request_error", "invalid_api_key", "401",
      "Access was denied: the key is missing or wrong." },
    { 402, "insufficient_quota", "insufficient_quota", "402", "The credit is used up." },
    { 403, "permission_error", "forbidden", "403", "The key may not do this." },
    { 404, "invalid_request_error", "model_not_found", "DeploymentNotFound",
      "There is no such model or deployment." },
    { 405, "invalid_request_error", "method_not_allowed", "405",
      "This address takes another method." },
    { 408, "server_error", "timeout", "Timeout", "The operation took too long." },
    { 413, "invalid_request_error", "request_too_large", "413", "The request is too large." },
    { 422, "invalid_request_error", "invalid_value", "invalid_value",
      "A parameter has an invalid value." },
    { 429, "requests", "rate_limit_exceeded", "429",
      "Requests have exceeded the rate limit of this deployment. Please retry later." },
    { 431, "invalid_request_error", "headers_too_large", "431",
      "There are too many request headers." },
    { 500, "server_error", "internal_error", "InternalServerError", "The server had an error." },
    { 502, "server_error", "bad_gateway", "502",
      "The server behind the gateway could not be reached." },
    { 503, "server_error", "overloaded", "ServiceUnavailable",
      "The service cannot take this request at the moment." },
    { 504, "server_error", "timeout", "GatewayTimeout",
      "The server behind the gateway did not answer." },
};

void refusal_of_status(struct arena *a, int status, struct refusal *out)
{
    for (size_t i = 0; i < HZ_LEN(table); i++) {
        if (table[i].status == status) {
            *out = (struct refusal) { status,
                                      table[i].type,
                                      table[i].code,
                                      table[i].azure_code,
                                      str_of(table[i].message),
                                      STR_NONE };
            return;
        }
    }
    const char *code = arena_cstr(a, arena_printf(a, "%d", status));
    *out = (struct refusal) { status,
                              status < 500 ? "invalid_request_error" : "server_error",
                              code,
                              code,
                              STR("The simulator was told to answer so."),
                              STR_NONE };
}

struct refusal refusal_bad(struct str param, struct str message)
{
    return (struct refusal) {
        400, "invalid_request_error", "invalid_value", "invalid_request", message, param
    };
}

static void add_text_or_null(struct buf *out, struct str s)
{
    if (s.at)
        buf_add_json(out, s);
    else
        buf_add(out, STR("null"));
}

static void write_openai(const struct refusal *why, struct buf *out)
{
    buf_add(out, STR("{\"error\":{\"message\":"));
    buf_add_json(out, why->message);
    buf_add(out, STR(",\"type\":"));
    buf_add_json(out, str_of(why->type));
    buf_add(out, STR(",\"param\":"));
    add_text_or_null(out, why->param);
    buf_add(out, STR(",\"code\":"));
    add_text_or_null(out, str_of(why->code));
    buf_add(out, STR("}}"));
}

/* The filter's refusal is the one Azure error with more than code and message. */
static void write_azure_filter(const struct sim_call *c, const struct refusal *why, struct buf *out)
{
    buf_add(out, STR("{\"error\":{\"message\":"));
    buf_add_json(out, why->message);
    buf_add(out,
            STR(",\"type\":null,\"param\":\"prompt\",\"code\":\"content_filter\",\"status\":400"));
    if (c->dialect != DIALECT_FOUNDRY_MODELS)
        buf_add(out, STR(",\"innererror\":{\"code\":\"ResponsibleAIPolicyViolation\","
                         "\"content_filter_result\":{\"violence\":{\"filtered\":true,"
                         "\"severity\":\"medium\"},\"jailbreak\":{\"filtered\":false,"
                         "\"detected\":false}}}"));
    buf_add(out, STR("}}"));
}

static void write_azure(const struct sim_call *c, const struct refusal *why, struct buf *out)
{
    if (str_is(str_of(why->azure_code), "content_filter")) {
        write_azure_filter(c, why, out);
        return;
    }
    buf_add(out, STR("{\"error\":{\"code\":"));
    buf_add_json(out, str_of(why->azure_code));
    buf_add(out, STR(",\"message\":"));
    buf_add_json(out, why->message);
    if (why->param.at) {
        buf_add(out, STR(",\"type\":"));
        buf_add_json(out, str_of(why->type));
        buf_add(out, STR(",\"param\":"));
        buf_add_json(out, why->param);
    } else if (c->dialect == DIALECT_FOUNDRY_MODELS) {
        buf_add(out, STR(",\"details\":\"simulated\""));
    }
    buf_add(out, STR("}}"));
}

static void write_flat(const struct sim_call *c, const struct refusal *why, struct buf *out)
{
    struct str given =
        why->param.at ? json_get(c->body, arena_cstr(c->arena, why->param)) : STR_NONE;
    buf_addf(out, "{\"status\":%d,\"code\":", why->status);
    buf_add_json(out, str_of(why->azure_code));
    if (why->param.at) {
        buf_add(out, STR(",\"detail\":{\"loc\":[\"body\","));
        buf_add_json(out, why->param);
        buf_add(out, STR("],\"input\":"));
        buf_add(out, given.at ? given : STR("null"));
        buf_add_char(out, '}');
    }
    buf_add(out, STR(",\"message\":"));
    buf_add_json(out, why->message);
    buf_add_char(out, '}');
}

static void write_validation(const struct refusal *why, struct buf *out)
{
    buf_add(out, STR("{\"detail\":[{\"type\":\"extra_forbidden\",\"loc\":[\"body\","));
    buf_add_json(out, why->param.at ? why->param : STR("messages"));
    buf_add(out, STR("],\"msg\":"));
    buf_add_json(out, why->message);
    buf_add(out, STR(",\"input\":null}]}"));
}

/* vLLM's code is a number, Mistral's a string of digits. */
static void write_error_object(const struct refusal *why, const char *quote, struct buf *out)
{
    buf_add(out, STR("{\"object\":\"error\",\"message\":"));
    buf_add_json(out, why->message);
    buf_add(out, STR(",\"type\":\"BadRequestError\",\"param\":"));
    add_text_or_null(out, why->param);
    buf_addf(out, ",\"code\":%s%d%s}", quote, why->status, quote);
}

void refusal_write(const struct sim_call *c, const struct refusal *why, struct buf *out)
{
    bool is_flat = c->dialect == DIALECT_FOUNDRY_MODELS && why->status == 422;
    switch ((enum error_shape)HZ_MAX(c->behave.error_shape, 0)) {
    case SHAPE_OF_DIALECT:
        if (!sim_call_is_azure(c))
            write_openai(why, out);
        else if (is_flat)
            write_flat(c, why, out);
        else
            write_azure(c, why, out);
        break;
    case SHAPE_OPENAI: write_openai(why, out); break;
    case SHAPE_AZURE: write_azure(c, why, out); break;
    case SHAPE_FLAT: write_flat(c, why, out); break;
    case SHAPE_MISTRAL: write_error_object(why, "\"", out); break;
    case SHAPE_VALIDATION: write_validation(why, out); break;
    case SHAPE_VLLM: write_error_object(why, "", out); break;
    }
}

enum err sim_call_refuse(struct task *t, struct sim_call *c, const struct refusal *why)
{
    struct buf body = { 0 };
    refusal_write(c, why, &body);
    c->status = why->status;
    struct str headers = sim_call_headers(c, "application/json");
    if (c->dialect == DIALECT_FOUNDRY_MODELS)
        headers = arena_printf(c->arena, "%.*sx-ms-error-code: %s\r\n", STR_ARG(headers),
                               why->azure_code);
    enum err err = http_reply(t, c->http, why->status, headers, buf_str(&body));
    buf_fini(&body);
    return err;
}

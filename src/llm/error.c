#include "llm/error.h"

#include "llm/excerpt.h"
#include "llm/key.h"
#include "wire/http1.h"

enum { MESSAGE_MAX = 2000, CODE_MAX = 128, NESTED_MAX = 3 };

struct error_reading {
    struct arena *arena;
    struct llm_error *out;
};

/* ---- families of bodies (spec: providers.md §1.3) ---- */

static bool is_set(struct str s)
{
    return s.len > 0;
}

/* A string as text, a number as its digits, anything else as nothing. */
static struct str scalar_text(struct arena *a, struct str value)
{
    if (json_kind(value) == JSON_NUMBER)
        return str_first(value, CODE_MAX);
    struct str text = str_trim(json_to_str(a, value));
    return text.at ? text : STR_NONE;
}

static void set_once(struct str *field, struct str text)
{
    if (!is_set(*field))
        *field = text;
}

/* ["body","messages",0,"content"] -> messages.0.content */
static void read_loc(const struct error_reading *in, struct str loc)
{
    struct buf path = { 0 };
    struct json_iter it;
    struct str part;
    json_iter_init(&it, loc);
    while (json_next_element(&it, &part)) {
        struct str text = scalar_text(in->arena, part);
        if (!is_set(text) || (path.len == 0 && str_is(text, "body")))
            continue;
        if (path.len)
            buf_add_char(&path, '.');
        buf_add(&path, text);
    }
    set_once(&in->out->param, arena_str(in->arena, str_first(buf_str(&path), CODE_MAX)));
    buf_fini(&path);
}

/* `detail`: a sentence, one object with loc, or a list of objects with type, loc and msg. */
static void read_detail(const struct error_reading *in, struct str detail)
{
    if (json_kind(detail) == JSON_STRING) {
        set_once(&in->out->message, scalar_text(in->arena, detail));
        return;
    }
    struct str first = detail;
    struct json_iter it;
    if (json_kind(detail) == JSON_ARRAY) {
        json_iter_init(&it, detail);
        if (!json_next_element(&it, &first))
            return;
    }
    read_loc(in, json_get(first, "loc"));
    set_once(&in->out->message, scalar_text(in->arena, json_get(first, "msg")));
    set_once(&in->out->message, scalar_text(in->arena, json_get(first, "message")));
    if (json_kind(detail) == JSON_ARRAY)
        set_once(&in->out->code, scalar_text(in->arena, json_get(first, "type")));
}

/* Where a message is itself an object, or a string that holds one: what is inside, else NONE. */
static struct str nested_document(struct arena *a, struct str message)
{
    if (json_kind(message) == JSON_OBJECT || json_kind(message) == JSON_ARRAY)
        return message;
    struct str text = str_trim(json_to_str(a, message));
    struct fail ignored = { 0 };
    if (text.len == 0 || (text.at[0] != '{' && text.at[0] != '['))
        return STR_NONE;
    return json_check(text, &ignored) == OK ? text : STR_NONE;
}

static void read_fields(const struct error_reading *in, struct str object)
{
    struct llm_error *out = in->out;
    if (!nested_document(in->arena, json_get(object, "message")).at)
        set_once(&out->message, scalar_text(in->arena, json_get(object, "message")));
    set_once(&out->code, scalar_text(in->arena, json_get(object, "code")));
    set_once(&out->type, scalar_text(in->arena, json_get(object, "type")));
    set_once(&out->param, scalar_text(in->arena, json_get(object, "param")));
    read_detail(in, json_get(object, "detail"));
    set_once(&out->message, scalar_text(in->arena, json_get(object, "details")));
    set_once(&out->message, scalar_text(in->arena, json_get(object, "error_description")));
    set_once(&out->param, scalar_text(in->arena, json_get(object, "target")));
    set_once(&out->code, scalar_text(in->arena, json_path(object, "details.error_code")));
}

static struct str first_element(struct str value)
{
    struct json_iter it;
    struct str element = STR_NONE;
    json_iter_init(&it, value);
    return json_next_element(&it, &element) ? element : STR_NONE;
}

/* The envelope, then the document around it, then what is packed into a message: the innermost
 * layers come last because they only fill what the outer ones left open. */
static void read_document(const struct error_reading *in, struct str document)
{
    for (int i = 0; i < NESTED_MAX && document.at; i++) {
        if (json_kind(document) == JSON_ARRAY) {
            struct str first = first_element(document);
            if (json_get(first, "loc").at) {
                read_detail(in, document);
                return;
            }
            document = first;
        }
        struct str error = json_get(document, "error");
        struct str inner = json_kind(error) == JSON_OBJECT ? error : document;
        read_fields(in, inner);
        if (inner.at != document.at)
            read_fields(in, document);
        else
            set_once(&in->out->message, scalar_text(in->arena, error));
        document = nested_document(in->arena, json_get(inner, "message"));
    }
}

/* ---- what it means ---- */

static bool is_one_of(struct str text, const char *const *names, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (str_eq_nocase(text, str_of(names[i])))
            return true;
    }
    return false;
}

static bool contains_one_of(struct str text, const char *const *phrases, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (str_contains_nocase(text, str_of(phrases[i])))
            return true;
    }
    return false;
}

static bool is_content_filter(const struct llm_error *e, struct str inner_code)
{
    static const char *const codes[] = { "content_filter", "ResponsibleAIPolicyViolation",
                                         "content_policy_violation" };
    static const char *const phrases[] = { "content management policy" };
    return is_one_of(e->code, codes, HZ_LEN(codes)) ||
           is_one_of(inner_code, codes, HZ_LEN(codes)) ||
           contains_one_of(e->message, phrases, HZ_LEN(phrases));
}

static bool is_context_length(const struct llm_error *e, int status)
{
    static const char *const codes[] = { "context_length_exceeded", "tokens_limit_reached",
                                         "model_max_prompt_tokens_exceeded" };
    static const char *const phrases[] = {
        "maximum context length", "context length exceeded",
        "exceeds the context",    "context window",
        "maximum model length",   "prompt is too long",
        "maximum prompt length",  "too many tokens",
        "input is too long",      "reduce the length of the messages",
        "max_model_len",
    };
    /* A 429 speaks of too many tokens as well, but of those per minute. */
    bool may_be = status == 0 || status == 400 || status == 413 || status == 422;
    return may_be && (is_one_of(e->code, codes, HZ_LEN(codes)) ||
                      contains_one_of(e->message, phrases, HZ_LEN(phrases)));
}

static bool is_quota_exhausted(const struct llm_error *e)
{
    static const char *const codes[] = {
        "insufficient_quota",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
        "enforced_spend_limit_reached",
        "billing_hard_limit_reached",
    };
    return is_one_of(e->code, codes, HZ_LEN(codes)) || is_one_of(e->type, codes, HZ_LEN(codes));
}

static const char *type_by_status(int status)
{
    if (status == 0 || status >= 500)
        return "server_error";
    if (status == 403)
        return "permission_error";
    return status == 429 ? "rate_limit_error" : "invalid_request_error";
}

static struct str status_text(struct arena *a, int status)
{
    const char *reason = http1_reason(status);
    if (status == 0)
        return STR("the provider reported an error without saying which");
    return arena_printf(a, "HTTP %d %s", status, reason ? reason : "");
}

/* Neither JSON nor known: the status, and what a reader would see of the text. */
static void read_text(const struct error_reading *in, int status, struct str body)
{
    struct str seen = excerpt_text(in->arena, body);
    struct str base = str_trim(status_text(in->arena, status));
    in->out->message =
        is_set(seen) ? arena_printf(in->arena, "%.*s: %.*s", STR_ARG(base), STR_ARG(seen)) : base;
}

void llm_error_read(struct arena *a, int status, struct str body, struct llm_error *out)
{
    const struct error_reading in = { a, out };
    struct fail ignored = { 0 };
    struct str inner_code = STR_NONE;

    *out = (struct llm_error) { 0 };
    body = json_trim(body);
    bool is_json = body.len && json_check(body, &ignored) == OK;
    if (is_json) {
        read_document(&in, body);
        set_once(&out->message, scalar_text(a, body));
        inner_code = scalar_text(a, json_path(body, "error.innererror.code"));
        if (!is_set(inner_code))
            inner_code = scalar_text(a, json_path(body, "innererror.code"));
    }
    if (!is_set(out->message))
        read_text(&in, status, is_json ? STR_NONE : body);
    set_once(&out->type, str_of(type_by_status(status)));
    out->message = excerpt_cut(out->message, MESSAGE_MAX);
    out->code = excerpt_cut(out->code, CODE_MAX);
    out->type = excerpt_cut(out->type, CODE_MAX);
    out->param = excerpt_cut(out->param, CODE_MAX);
    out->is_content_filter = is_content_filter(out, inner_code);
    out->is_context_length = !out->is_content_filter && is_context_length(out, status);
    out->is_quota_exhausted = is_quota_exhausted(out);
}

static void write_nullable(struct buf *out, struct str name, struct str value)
{
    buf_add(out, name);
    if (is_set(value))
        buf_add_json(out, value);
    else
        buf_add(out, STR("null"));
}

void llm_error_write(struct buf *out, const struct llm_error *error, struct str correlation_id)
{
    buf_add(out, STR("{\"error\":{\"message\":"));
    buf_add_json(out, error->message);
    write_nullable(out, STR(",\"type\":"), error->type);
    write_nullable(out, STR(",\"param\":"), error->param);
    write_nullable(out, STR(",\"code\":"), error->code);
    if (is_set(correlation_id))
        write_nullable(out, STR(",\"correlation_id\":"), correlation_id);
    buf_add(out, STR("}}"));
}

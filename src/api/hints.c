#include "api/request.h"

#include <stdio.h>

enum { NAME_MAX_LEN = 64 };

/* Names that end up in the ledger and in metrics: bounded, plain. */
static bool is_name(struct str s)
{
    if (s.len > NAME_MAX_LEN)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.at[i];
        bool is_alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!is_alnum && !strchr("-_.", c))
            return false;
    }
    return s.len > 0;
}

static enum err bad_header(struct api_request *r, const char *name, struct str value, const char *allowed)
{
    snprintf(r->fail.param, sizeof(r->fail.param), "%s", name);
    return fail_set(&r->fail, ERR_BAD_REQUEST, "%s: '%.*s' is not known; allowed: %s", name,
                    (int)HZ_MIN(value.len, 40), value.at, allowed);
}

enum err request_read_hints(struct api_request *r)
{
    const struct http_head *head = &r->http->head;
    struct call *c = r->call;
    struct str type = http_head_get(head, "x-huntaze-type");
    if (type.at) {
        if (!call_type_parse(type, &c->type))
            return bad_header(r, "X-Huntaze-Type", type, CALL_TYPES_ALLOWED);
        c->has_type = true;
    }
    struct str feature = http_head_get(head, "x-huntaze-feature");
    if (feature.at && !is_name(feature))
        return bad_header(r, "X-Huntaze-Feature", feature, "1 to 64 of letters, digits, '-', '_', '.'");
    c->feature = feature;
    struct str language = http_head_get(head, "x-huntaze-language");
    if (language.at && (!is_name(language) || language.len > 16))
        return bad_header(r, "X-Huntaze-Language", language, "a language tag such as fr or en-US");
    c->language = language;
    return OK;
}

struct call *request_new_call(struct api_request *r)
{
    struct call *c = arena_alloc(&r->http->arena, sizeof(*c));
    call_init(c, r->api->gateway_loop);
    c->http = r->http;
    c->log = r->log;
    c->operation_id = r->operation_id;
    c->is_correlation_given = r->is_correlation_given;
    c->caller = r->caller;
    c->tier = r->caller.tier;
    r->call = c;
    return c;
}

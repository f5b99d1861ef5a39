#include "gateway/internal.h"

/*
 * A stream that breaks after its first content goes on at another deployment: it is sent the text
 * that the client has as the beginning of its own answer, and its words go on in the client's
 * stream.
 *
 * Only where text is all that there is. The half of a tool call, of a document for a schema or of
 * one of several choices is of no use to another model; who does not see the first one's reasoning
 * would think again in the middle of the answer.
 */

static bool is_plain(const struct llm_request *r)
{
    return r->operation == LLM_CHAT && r->is_stream && r->n == 1 && !r->has_tools &&
           !r->wants_json_object && !r->wants_json_schema && !r->has_prefill;
}

bool resume_takes(const struct deployment *d)
{
    return d->caps.accepts_prefill && d->caps.reasoning == REASONING_NONE;
}

bool resume_may_follow(const struct call *c)
{
    const struct plan *p = &c->plan;
    bool may = plan_is_alone(c) && resume_takes(p->list[p->at]);
    for (size_t i = p->at + 1; i < p->len && plan_has_room(c, 1); i++)
        may |= resume_takes(p->list[i]);
    return may && is_plain(&c->request);
}

void resume_note(struct call *c, const struct llm_stream *s)
{
    struct arena *arena = &c->http->arena;
    struct llm_said said;
    c->said_text.limit = SAID_MAX;
    if (!c->keeps_text || !llm_stream_said(s, &said) || buf_try_add(&c->said_text, said.text)) {
        c->said.text = STR_NONE;
        buf_fini(&c->said_text);
        return;
    }
    bool is_first = !c->said.text.len;
    c->said.text = buf_str(&c->said_text);
    if (!is_first)
        return;
    c->said.id = arena_str(arena, said.id);
    c->said.model = arena_str(arena, said.model);
    c->said.created_s = said.created_s;
}

void resume_begin(struct call *c, const struct deployment *d)
{
    llm_request_continue(&c->request, c->said.text);
    c->said.usage = c->usage;
    log_info(&c->log, "stream_resumed", LOG_INT("attempt", c->rows_len + 1),
             LOG_STR("provider", d->provider->name), LOG_STR("deployment", d->name),
             LOG_INT("text_bytes", c->said.text.len));
}

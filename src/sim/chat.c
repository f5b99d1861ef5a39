#include "sim/answer.h"

/*
 * A chat call: the prompt's length, its filter, then the answer, whole (here) or streamed
 * (stream.c). Billed is what begins with 200, and a filtered prompt.
 */

static enum err refuse_filtered(struct task *t, struct sim_call *c)
{
    struct refusal why = { 400,
                           "invalid_request_error",
                           "content_policy_violation",
                           "content_filter",
                           STR("The prompt was stopped by the content filter."),
                           STR("prompt") };
    c->is_completed = true;
    return sim_call_refuse(t, c, &why);
}

static enum err refuse_length(struct task *t, struct sim_call *c)
{
    struct refusal why = {
        400,      "invalid_request_error", "context_length_exceeded", "context_length_exceeded",
        STR_NONE, STR("messages")
    };
    why.message = arena_printf(
        c->arena, "This model's maximum context length is %lld tokens, but the messages have %lld.",
        (long long)c->prompt_tokens - 1, (long long)c->prompt_tokens);
    return sim_call_refuse(t, c, &why);
}

/* Half an answer, and then nothing more (cut) or nothing for long (stall). */
static enum err reply_broken(struct task *t, struct sim_call *c, struct str body)
{
    const struct behaviour *b = &c->behave;
    int64_t tokens = HZ_MAX(HZ_MAX(b->cut, b->stall), b->garbage);
    size_t sent = HZ_MIN((size_t)HZ_MAX(tokens, 0) * 4, body.len - 1);
    enum err err = http_reply_begin(t, c->http, 200, sim_call_headers(c, "application/json"));
    if (!err)
        err = http_reply_part(t, c->http, str_first(body, sent));
    if (!err && b->garbage >= 0)
        return http_reply_end(t, c->http, STR("\xFF{]not json"));
    if (!err && b->stall_ms >= 0)
        err = task_sleep(t, b->stall_ms);
    else if (!err && b->cut < 0)
        err = sim_call_be_silent(t);
    if (!err && b->cut < 0)
        return http_reply_end(t, c->http, str_skip(body, sent));
    c->is_cut = true;
    return err;
}

static enum err reply_whole(struct task *t, struct sim_call *c, const struct answer *a)
{
    const struct behaviour *b = &c->behave;
    enum err err = OK;
    if (b->tps > 0)
        err = task_sleep(t, c->completion_tokens * 1000 / b->tps);
    if (err)
        return err;
    struct buf body = { 0 };
    answer_write(c, a, &body);
    if (b->cut >= 0 || b->stall >= 0 || b->garbage >= 0 || b->silent_after_head)
        err = reply_broken(t, c, buf_str(&body));
    else
        err = http_reply(t, c->http, 200, sim_call_headers(c, "application/json"), buf_str(&body));
    c->is_completed = !err && !c->is_cut;
    buf_fini(&body);
    return err;
}

enum err chat_serve(struct task *t, struct sim_call *c)
{
    struct answer *a = NULL;
    bool is_refused = c->behave.context_length || c->behave.content_filter == FILTER_PROMPT;
    c->is_billed = !c->behave.context_length;
    if (!is_refused) {
        a = answer_compose(c);
        c->status = 200;
    }
    enum err err = sim_call_delay(t, c);
    if (err)
        return err;
    if (c->behave.context_length)
        return refuse_length(t, c);
    if (is_refused)
        return refuse_filtered(t, c);
    return c->is_stream ? stream_serve(t, c, a) : reply_whole(t, c, a);
}

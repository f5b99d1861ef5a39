#include "sim/sim_call.h"

/* Scripted failures that come in place of an answer; none is billed. */

enum { SILENCE_MS = 3600 * 1000 };

enum err sim_call_delay(struct task *t, const struct sim_call *c)
{
    return c->behave.delay_ms > 0 ? task_sleep(t, c->behave.delay_ms) : OK;
}

enum err sim_call_be_silent(struct task *t)
{
    enum err err = OK;
    task_set_stage(t, "silent");
    while (!err)
        err = task_sleep(t, SILENCE_MS);
    return err;
}

/* JSON has no place for an error inside an answer: it is the answer then. */
static bool is_error_200(const struct sim_call *c)
{
    return c->behave.error_200 || (c->behave.error_event >= 0 && !c->is_stream);
}

bool sim_call_misbehaves(const struct sim_call *c)
{
    const struct behaviour *b = &c->behave;
    return b->reset || b->silent || b->html || b->empty || b->status > 0 || b->quota || is_error_200(c);
}

static enum err reply_page(struct task *t, struct sim_call *c, struct str page)
{
    c->status = c->behave.status > 0 ? (int)c->behave.status : 200;
    return http_reply(t, c->http, c->status, sim_call_headers(c, "text/html"), page);
}

static enum err reply_error_200(struct task *t, struct sim_call *c)
{
    struct refusal why;
    struct buf body = { 0 };
    refusal_of_status(c->arena, 500, &why);
    refusal_write(c, &why, &body);
    c->status = 200;
    enum err err =
        http_reply(t, c->http, 200, sim_call_headers(c, "application/json"), buf_str(&body));
    buf_fini(&body);
    return err;
}

enum err sim_call_misbehave(struct task *t, struct sim_call *c)
{
    const struct behaviour *b = &c->behave;
    enum err err = sim_call_delay(t, c);
    if (err)
        return err;
    c->is_cut = b->reset;
    if (b->reset)
        return OK;
    if (b->silent)
        return sim_call_be_silent(t);
    if (b->html)
        return reply_page(t, c, STR("<html><body><h1>Bad gateway</h1></body></html>"));
    if (b->empty)
        return reply_page(t, c, STR(""));
    if (is_error_200(c))
        return reply_error_200(t, c);
    struct refusal why;
    refusal_of_status(c->arena, b->quota ? 402 : (int)b->status, &why);
    why.status = b->quota ? 429 : why.status;
    return sim_call_refuse(t, c, &why);
}

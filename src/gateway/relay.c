#include "gateway/internal.h"
#include "wire/sse.h"

enum { LAST_WORDS_MS = 1000 };

struct relay {
    struct attempt *attempt;
    struct llm_stream *stream;
    struct sse_reader reader;
    struct buf out; /* for the client, not sent yet */
    bool has_content; /* the answer is committed to this provider */
    bool is_complete; /* every choice has its finish_reason: only usage and [DONE] may follow */
    bool has_event;   /* since the last look; a comment is none, whoever keeps the connection alive */
    bool is_done;     /* [DONE], or all choices finished at the end */
    enum outcome outcome;
};

/* The client has the whole answer, so it gets a clean end whatever became of the rest. The provider
 * did its work, too: for its breaker this is neither a failure nor a success. */
static void end_without_rest(struct relay *r)
{
    struct attempt *a = r->attempt;
    a->lacks_end = true;
    r->is_done = true;
    log_warn(&a->call->log, "stream_end_missing", LOG_INT("attempt", a->number),
             LOG_STR("provider", a->deployment->provider->name),
             LOG_STR("deployment", a->deployment->name), LOG_TEXT("reason", a->detail));
}

/* Nothing of a failed stream is a clean end, unless its answer was complete: after content the
 * client is told in the stream. */
static void fail_relay(struct relay *r, enum outcome outcome)
{
    if (r->is_complete && r->attempt->err != ERR_CLIENT_GONE) {
        end_without_rest(r);
        return;
    }
    r->outcome = r->has_content && outcome != OUTCOME_STOPPED ? OUTCOME_BROKEN : outcome;
    r->is_done = true;
}

/* The stream's text goes with the stream. */
static void copy_error(struct attempt *a, const struct llm_error *error)
{
    struct arena *arena = &a->call->http->arena;
    a->error = *error;
    a->error.message = arena_str(arena, error->message);
    a->error.type = arena_str(arena, error->type);
    a->error.param = arena_str(arena, error->param);
    a->error.code = arena_str(arena, error->code);
}

static void take_answer(struct attempt *a, const struct llm_stream *stream)
{
    struct arena *arena = &a->call->http->arena;
    llm_stream_answer(stream, &a->answer);
    a->answer.absurd_usage = arena_str(arena, a->answer.absurd_usage);
    a->answer.finish_reason = arena_str(arena, a->answer.finish_reason);
    a->answer.response_model = arena_str(arena, a->answer.response_model);
}

/* This answer is the one: the provider's copy of the request is not sent again. */
static void begin_content(struct relay *r)
{
    r->has_content = true;
    r->attempt->first_content_ns = loop_now_ns(r->attempt->call->gateway->loop);
    arena_fini(r->attempt->memory);
    if (r->attempt->is_probe)
        breaker_probe_flows(&r->attempt->state->breaker);
}

static void take_event(struct relay *r, struct str data)
{
    struct attempt *a = r->attempt;
    switch (llm_stream_event(r->stream, data, &r->out)) {
    case LLM_EVENT_NOTHING: a->has_begun = true; break;
    case LLM_EVENT_CONTENT:
        if (!r->has_content)
            begin_content(r);
        r->is_complete = llm_stream_is_complete(r->stream);
        break;
    case LLM_EVENT_DONE:
        r->is_done = true;
        if (!r->has_content)
            fail_relay(r, attempt_fail(a, OUTCOME_UNREADABLE, ERR_UPSTREAM_BROKEN,
                                       "the provider's stream held no answer"));
        break;
    case LLM_EVENT_ERROR:
        copy_error(a, llm_stream_error(r->stream));
        fail_relay(r, attempt_fail(a, OUTCOME_ERROR_EVENT, ERR_UPSTREAM_BROKEN,
                                   "the provider sent an error in the stream: %.*s",
                                   (int)HZ_MIN(a->error.message.len, 120), a->error.message.at));
        break;
    case LLM_EVENT_GARBAGE:
        fail_relay(r, attempt_fail(a, OUTCOME_UNREADABLE, ERR_UPSTREAM_BROKEN,
                                   "the provider sent an event that is not JSON"));
        break;
    }
}

static void take_data(struct relay *r, struct str data)
{
    bool is_event = true;
    while (!r->is_done && is_event) {
        struct sse_event event;
        enum err err = sse_next(&r->reader, &data, &event, &is_event);
        if (err)
            fail_relay(r, attempt_fail(r->attempt, OUTCOME_UNREADABLE, ERR_UPSTREAM_BROKEN,
                                       "the provider sent an event that is too large"));
        else if (is_event && event.has_data)
            take_event(r, event.data);
        r->has_event |= is_event && event.has_data;
    }
}

/* The body ended without [DONE]: whole only if every choice said that it was finished. */
static void take_end(struct relay *r)
{
    struct sse_event event;
    bool is_event = false;
    if (sse_finish(&r->reader, &event, &is_event) == OK && is_event && event.has_data)
        take_event(r, event.data);
    if (r->is_done)
        return;
    r->is_done = true;
    if (!r->is_complete)
        fail_relay(r, attempt_fail(r->attempt, OUTCOME_UNREADABLE, ERR_UPSTREAM_BROKEN,
                                   "the stream ended before the answer was complete"));
}

static enum err begin_stream(struct task *t, struct call *c)
{
    struct buf headers = { 0 };
    buf_add(&headers, STR("Content-Type: text/event-stream; charset=utf-8\r\n"
                          "Cache-Control: no-cache\r\nX-Accel-Buffering: no\r\n"));
    http1_write_header(&headers, STR("X-Correlation-ID"), c->log.correlation_id);
    http1_write_header(&headers, STR("X-Request-ID"), c->log.correlation_id);
    call_write_headers(c, &headers);
    enum err err = http_reply_begin(t, c->http, 200, buf_str(&headers));
    buf_fini(&headers);
    c->is_stream_begun = true;
    return err;
}

/* What is ready goes to the client, but nothing before the first content. */
static enum err pass_on(struct task *t, struct relay *r)
{
    struct call *c = r->attempt->call;
    if (!r->has_content || r->out.len == 0)
        return OK;
    enum err err = OK;
    if (!c->is_stream_begun) {
        struct str region = r->attempt->limits.region;
        c->region = region.len ? region : c->served->provider->region;
        c->is_fallback = c->served != c->plan.first;
        err = begin_stream(t, c);
    }
    if (!err)
        err = http_reply_part(t, c->http, buf_str(&r->out));
    buf_clear(&r->out);
    return err;
}

static void relay_run(struct task *t, struct relay *r)
{
    struct attempt *a = r->attempt;
    int64_t deadline_ns = a->silent_ns;
    while (!r->is_done) {
        struct str data;
        enum err err = http_exchange_read(t, &a->exchange, &data, deadline_ns);
        if (err) {
            fail_relay(r, attempt_wait_failed(t, a, err, "reading the stream"));
            return;
        }
        if (data.len)
            take_data(r, data);
        else
            take_end(r);
        err = pass_on(t, r);
        if (err) {
            enum err why = task_stop_reason(t) ? task_stop_reason(t) : ERR_CLIENT_GONE;
            r->outcome = attempt_fail(a, OUTCOME_STOPPED, why, "%s", err_info(why)->text);
            return;
        }
        if (r->has_content && r->has_event)
            deadline_ns = attempt_idle_deadline(a);
        r->has_event = false;
    }
}

/* The end of the chunked body usually came with [DONE]; taking it keeps the connection usable. */
static void read_to_the_end(struct task *t, struct attempt *a)
{
    struct str data = STR("x");
    while (data.len && !a->exchange.is_body_done) {
        if (http_exchange_read(t, &a->exchange, &data, loop_now_ns(task_loop(t))) != OK)
            return;
    }
}

enum outcome relay_stream(struct task *t, struct attempt *a)
{
    struct llm_answer_options options = attempt_answer_options(a);
    struct relay r = { .attempt = a, .outcome = OUTCOME_ANSWER };
    r.stream = llm_stream_create(&a->call->request, a->deployment, &options);
    task_set_stage(t, "relay stream");
    relay_run(t, &r);
    take_answer(a, r.stream);
    if (r.outcome == OUTCOME_BROKEN)
        resume_note(a->call, r.stream);
    if (r.outcome == OUTCOME_ANSWER) {
        if (!a->lacks_end)
            read_to_the_end(t, a);
        /* What belongs behind the last event stays with the call until its rows are durable. */
        buf_clear(&a->call->answer);
        buf_add(&a->call->answer, buf_str(&r.out));
        llm_stream_finish(r.stream, &a->call->answer);
    }
    llm_stream_destroy(r.stream);
    sse_fini(&r.reader);
    buf_fini(&r.out);
    return r.outcome;
}

enum err relay_finish(struct task *t, struct call *c)
{
    if (c->outcome == OUTCOME_ANSWER) {
        buf_add(&c->answer, STR("data: [DONE]\n\n"));
    } else {
        buf_clear(&c->answer);
        buf_add(&c->answer, STR("data: "));
        llm_error_write(&c->answer, &c->error, c->log.correlation_id);
        buf_add(&c->answer, STR("\n\n"));
        c->http->is_closing = true;
    }
    /* A shutdown still lets the client read why its stream ends. */
    if (task_stop_reason(t) == ERR_STOPPING)
        task_shield(t, LAST_WORDS_MS);
    enum err err = OK;
    if (!c->is_stream_begun)
        err = begin_stream(t, c);
    return err ? err : http_reply_end(t, c->http, buf_str(&c->answer));
}

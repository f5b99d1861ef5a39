#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/id.h"
#include "gateway/internal.h"
#include "wire/json.h"

enum {
    ERROR_BODY_BYTES = 64 * 1024,
    ADDED_BYTES = 128, /* what an answer usually grows by when it is reworded */
};

enum outcome attempt_fail(struct attempt *a, enum outcome outcome, enum err err, const char *fmt, ...)
{
    a->err = err;
    va_list args;
    va_start(args, fmt);
    vsnprintf(a->detail, sizeof(a->detail), fmt, args);
    va_end(args);
    a->detail[str_whole_characters(str_of(a->detail)).len] = '\0';
    return outcome;
}

/* A route may override single values. */
static int64_t timeout_of(const struct attempt *a, size_t offset)
{
    int64_t own, route = 0;
    memcpy(&own, (const char *)&a->deployment->provider->timeouts + offset, sizeof(own));
    if (a->call->plan.timeouts)
        memcpy(&route, (const char *)a->call->plan.timeouts + offset, sizeof(route));
    return route ? route : own;
}
#define TIMEOUT_MS(a, field) timeout_of((a), offsetof(struct timeouts, field))

/* Until the first content, an attempt also ends with its share of the total. */
static int64_t deadline_after(const struct attempt *a, int64_t ms)
{
    return HZ_MIN(loop_now_ns(a->call->gateway->loop) + ms * NS_PER_MS, a->call->share_ns);
}

int64_t attempt_idle_deadline(const struct attempt *a)
{
    int64_t idle_ns = TIMEOUT_MS(a, idle_ms) * NS_PER_MS;
    return HZ_MIN(loop_now_ns(a->call->gateway->loop) + idle_ns, a->call->deadline_ns);
}

enum outcome attempt_wait_failed(struct task *t, struct attempt *a, enum err err, const char *doing)
{
    if (task_stop_reason(t))
        return attempt_fail(a, OUTCOME_STOPPED, task_stop_reason(t), "%s while %s",
                            err_info(task_stop_reason(t))->text, doing);
    /* Who flows is not to blame for the end of the total; who was silent until then is. */
    if (err == ERR_TIMEOUT && a->first_content_ns && loop_now_ns(task_loop(t)) >= a->call->deadline_ns)
        return attempt_fail(a, OUTCOME_STOPPED, ERR_DEADLINE, "the request's deadline passed while %s",
                            doing);
    if (err == ERR_TIMEOUT)
        return attempt_fail(a, OUTCOME_SILENT, ERR_SILENT, "no answer in time while %s", doing);
    const char *why = a->exchange.detail[0] ? a->exchange.detail : err_info(err)->text;
    /* We are short of something, no provider is: another one would not help, and none is to blame. */
    if (err == ERR_BUSY)
        return attempt_fail(a, OUTCOME_STOPPED, err, "%s", why);
    enum outcome outcome = !a->exchange.connection ? OUTCOME_CONNECT
                           : !a->http_status       ? OUTCOME_RESET
                                                   : OUTCOME_UNREADABLE;
    return attempt_fail(a, outcome, err, "%s", why);
}

/* ---- a status that is not 200 ---- */

/* Everybody leaves it alone from now on. */
static void begin_rest(struct attempt *a)
{
    int64_t now_ns = loop_now_ns(a->call->gateway->loop);
    rest_note(&a->state->rest, a->started_ns, now_ns, a->limits.retry_after_ms);
    a->limits.retry_after_ms = rest_left_ms(&a->state->rest, now_ns);
}

/* Status to outcome; the first row that matches wins (design §6). */
static const struct {
    int from, to;
    enum outcome outcome;
    enum err err;
} statuses[] = {
    { 401, 404, OUTCOME_CREDENTIALS, ERR_UPSTREAM }, /* 402: our account there is empty */
    { 408, 409, OUTCOME_SERVER_ERROR, ERR_UPSTREAM_BROKEN },
    { 429, 429, OUTCOME_LIMITED, ERR_RATE_LIMIT },
    { 400, 499, OUTCOME_REFUSED, ERR_BAD_REQUEST },
    { 500, 599, OUTCOME_SERVER_ERROR, ERR_UPSTREAM_BROKEN },
    { 0, 999, OUTCOME_UNREADABLE, ERR_UPSTREAM_BROKEN }, /* 1xx to 3xx make no sense here */
};

static enum outcome outcome_of_status(struct attempt *a)
{
    if (a->error.is_content_filter)
        return attempt_fail(a, OUTCOME_FILTERED, ERR_BAD_REQUEST, "the provider's content filter refused");
    if (a->error.is_context_length && a->http_status < 500)
        return attempt_fail(a, OUTCOME_CONTEXT, ERR_BAD_REQUEST, "too long for the model");
    size_t i = 0;
    while (a->http_status < statuses[i].from || a->http_status > statuses[i].to)
        i++;
    /* A 429 that no waiting heals. */
    bool is_empty = a->error.is_quota_exhausted && a->http_status < 500;
    return attempt_fail(a, is_empty ? OUTCOME_CREDENTIALS : statuses[i].outcome,
                        is_empty ? ERR_UPSTREAM : statuses[i].err, "status %d: %.*s", a->http_status,
                        (int)HZ_MIN(a->error.message.len, 140), a->error.message.at);
}

/* The whole body: from its first piece on, also each next one in time. */
static enum err read_body(struct task *t, struct attempt *a, struct buf *out)
{
    int64_t deadline_ns = a->silent_ns;
    for (;;) {
        struct str data;
        enum err err = http_exchange_read(t, &a->exchange, &data, deadline_ns);
        if (!err && data.len)
            err = buf_try_add(out, data);
        if (err || data.len == 0)
            return err;
        deadline_ns = HZ_MIN(attempt_idle_deadline(a), a->silent_ns);
    }
}

static enum outcome read_error(struct task *t, struct attempt *a)
{
    struct buf body = { .limit = ERROR_BODY_BYTES };
    enum err err = read_body(t, a, &body);
    enum outcome outcome;
    if (err && task_stop_reason(t)) {
        outcome = attempt_wait_failed(t, a, err, "reading an error");
    } else {
        /* Half an error body still tells the status. The error borrows from the text it was read
         * from, and is answered after this buffer is gone. */
        struct arena *arena = &a->call->http->arena;
        struct str text = err ? STR_NONE : arena_str(arena, buf_str(&body));
        llm_error_read(arena, a->http_status, text, &a->error);
        outcome = outcome_of_status(a);
    }
    if (outcome == OUTCOME_LIMITED)
        begin_rest(a);
    buf_fini(&body);
    return outcome;
}

/* ---- a whole answer ---- */

struct llm_answer_options attempt_answer_options(const struct attempt *a)
{
    static const struct str prefix = { "chatcmpl-", 9 };
    char *id = arena_alloc(&a->call->http->arena, prefix.len + ID_HEX_LEN + 1);
    memcpy(id, prefix.at, prefix.len);
    id_format(a->call->operation_id, id + prefix.len);
    return (struct llm_answer_options) {
        .is_simulated = a->deployment->provider->kind == PROVIDER_SIM,
        .id = str_make(id, prefix.len + ID_HEX_LEN),
        .created_s = a->started_wall_ms / 1000,
        .keeps_text = a->call->keeps_text,
        .after = a->call->said.text.len ? &a->call->said : NULL,
    };
}

/* JSON that broke off or is garbled. A page of some proxy or a whole error is no work of the model. */
static bool is_part_of_answer(const struct attempt *a, struct str body, enum err read_err)
{
    struct fail ignored = { 0 };
    return str_starts(http_head_get(&a->exchange.head, "content-type"), STR("application/json")) &&
           (read_err || json_check(body, &ignored));
}

static enum outcome read_answer(struct task *t, struct attempt *a)
{
    struct call *c = a->call;
    struct buf body = { .limit = (size_t)c->setup->config->server.max_answer_bytes };
    struct fail fail = { 0 };
    struct llm_answer_options options = attempt_answer_options(a);
    enum outcome outcome = OUTCOME_ANSWER;
    enum err err = read_body(t, a, &body);
    if (err) {
        outcome = err == ERR_TOO_LARGE
                      ? attempt_fail(a, OUTCOME_UNREADABLE, err, "the provider's answer is too large")
                      : attempt_wait_failed(t, a, err, "reading the answer");
        a->has_begun = is_part_of_answer(a, STR_NONE, err);
        goto out;
    }
    a->first_content_ns = loop_now_ns(c->gateway->loop);
    buf_clear(&c->answer);
    buf_reserve(&c->answer, body.len + ADDED_BYTES);
    err = llm_answer_read(&c->http->arena, &c->request, a->deployment, &options, buf_str(&body),
                          &c->answer, &a->answer, &fail);
    if (err) {
        outcome = attempt_fail(a, OUTCOME_UNREADABLE, err, "%s", fail.text);
        a->has_begun = is_part_of_answer(a, buf_str(&body), OK);
    }
out:
    buf_fini(&body);
    return outcome;
}

/* ---- the attempt ---- */

static bool is_event_stream(const struct http_head *head)
{
    return str_starts(http_head_get(head, "content-type"), STR("text/event-stream"));
}

/* Support asks providers by this id: operation and attempt, as in the ledger. */
static struct str add_request_id(const struct attempt *a, struct str headers)
{
    enum { OWN_BYTES = 64 };
    char id[ID_HEX_LEN + 1];
    id_format(a->call->operation_id, id);
    size_t room = headers.len + OWN_BYTES;
    struct buf out = { .at = arena_alloc(a->memory, room), .cap = room };
    buf_add(&out, headers);
    buf_add(&out, STR("X-Client-Request-Id: "));
    buf_add(&out, str_of(id));
    buf_add_char(&out, '-');
    buf_add_i64(&out, a->number);
    buf_add(&out, STR("\r\n"));
    HZ_ASSERT(out.cap == room);
    return buf_str(&out);
}

/* Who has refused a request need not read the rest of it. */
static bool has_answered_early(struct task *t, struct attempt *a, enum err send_err)
{
    return send_err == ERR_TIMEOUT && a->exchange.connection &&
           http_exchange_head(t, &a->exchange, a->silent_ns) == OK;
}

static enum outcome send_failed(struct task *t, struct attempt *a, enum err err)
{
    bool is_connected = a->exchange.connection;
    enum outcome outcome =
        attempt_wait_failed(t, a, err, is_connected ? "sending the request" : "connecting to the provider");
    /* A connection that cannot be made in time is a failed connection, not a silent provider. */
    return outcome == OUTCOME_SILENT && !is_connected
               ? attempt_fail(a, OUTCOME_CONNECT, ERR_UPSTREAM_CONNECT, "no connection in time")
               : outcome;
}

static enum outcome exchange(struct task *t, struct attempt *a, const struct llm_outbound *outbound)
{
    struct call *c = a->call;
    const struct provider *p = a->deployment->provider;
    bool is_stream = c->request.is_stream;
    int64_t attempt_ns = deadline_after(a, TIMEOUT_MS(a, attempt_ms));
    int64_t content_ns = is_stream ? deadline_after(a, TIMEOUT_MS(a, first_content_ms)) : attempt_ns;
    a->silent_ns = HZ_MIN(content_ns, attempt_ns);
    struct http_send send = {
        .origin = { p->is_tls, p->host, p->port, p->ca_file },
        .method = STR("POST"),
        .target = outbound->target,
        .headers = add_request_id(a, outbound->headers),
        .body = outbound->body,
        .connect_deadline_ns = deadline_after(a, TIMEOUT_MS(a, connect_ms)),
        .send_deadline_ns = a->silent_ns,
    };
    task_set_stage(t, "send to provider");
    enum err err = http_exchange_start(t, c->gateway->client, &a->exchange, &send);
    a->was_sent = !err;
    if (err && !has_answered_early(t, a, err))
        return send_failed(t, a, err);
    task_set_stage(t, "wait for provider");
    if (a->was_sent)
        err = http_exchange_head(t, &a->exchange, a->silent_ns);
    if (a->was_sent && err)
        return attempt_wait_failed(t, a, err, "waiting for the answer");
    a->http_status = a->exchange.head.status;
    llm_limits_read(&a->exchange.head, clock_wall_ms(), &a->limits);
    a->limits.region = arena_str(&c->http->arena, a->limits.region);
    a->limits.request_id = arena_str(&c->http->arena, a->limits.request_id);
    task_set_stage(t, "read from provider");
    if (a->http_status != 200)
        return read_error(t, a);
    if (is_stream && is_event_stream(&a->exchange.head))
        return relay_stream(t, a);
    enum outcome outcome = read_answer(t, a);
    if (is_stream && outcome == OUTCOME_ANSWER)
        return attempt_fail(a, OUTCOME_UNREADABLE, ERR_UPSTREAM_BROKEN,
                            "a stream was asked for, but the provider sent a whole answer");
    return outcome;
}

/* A moving average over about the last ten answers. */
static void note_latency(struct attempt *a)
{
    int64_t took_us = (loop_now_ns(a->call->gateway->loop) - a->started_ns) / 1000;
    int64_t old_us = atomic_load_explicit(&a->state->latency_us, memory_order_relaxed);
    int64_t new_us = old_us ? old_us + (took_us - old_us) / 10 : took_us;
    atomic_store_explicit(&a->state->latency_us, HZ_MAX(new_us, 1), memory_order_relaxed);
    rest_answered(&a->state->rest, a->started_ns);
}

/* From when an open breaker counts its time. Who kept silent was down since it was asked: else one that is
 * back would wait for the limit that passed, too. Half of the time is left at least, whatever the limit:
 * results of calls that began earlier must not let one probe follow upon the other. */
static int64_t failed_ns(const struct attempt *a, enum outcome outcome)
{
    int64_t now_ns = loop_now_ns(a->call->gateway->loop);
    if (outcome != OUTCOME_SILENT && outcome != OUTCOME_CONNECT)
        return now_ns;
    return HZ_MAX(a->started_ns, now_ns - a->call->setup->breaker_options.open_ms * NS_PER_MS / 2);
}

static void note_breaker(struct attempt *a, enum outcome outcome)
{
    const struct setup *setup = a->call->setup;
    enum breaker_state before;
    enum health health =
        a->lacks_end ? HEALTH_NEUTRAL : rule_of(setup, a->deployment, outcome)->health;
    if (health == HEALTH_FAILURE || health == HEALTH_TRIP)
        atomic_store(&a->state->last_failure, (int)outcome);
    const struct breaker_result result = {
        .health = health,
        .is_probe = a->is_probe,
        .began_ns = a->started_ns,
        .since_ns = failed_ns(a, outcome),
    };
    enum breaker_state after = breaker_note(&a->state->breaker, &setup->breaker_options, &result, &before);
    if (outcome == OUTCOME_ANSWER)
        retry_budget_earn(&setup->retries[a->deployment->provider->index], setup->config->retry.budget);
    if (after == before)
        return;
    series_add(a->state->breaker_gauge, (after != BREAKER_CLOSED) - (before != BREAKER_CLOSED));
    const struct log_field fields[] = {
        LOG_STR("provider", a->deployment->provider->name),
        LOG_STR("deployment", a->deployment->name),
        LOG_TEXT("from", breaker_state_name(before)),
        LOG_TEXT("to", breaker_state_name(after)),
        LOG_TEXT("reason", outcome == OUTCOME_ANSWER ? "an answer" : a->detail),
    };
    log_write(after == BREAKER_CLOSED ? LOG_INFO : LOG_WARN, &a->call->log, "breaker", fields,
              HZ_LEN(fields));
}

/* Of the deployment, whatever an override lets follow. Refusing what it cannot go on with is one, too. */
static bool is_failure(const struct attempt *a, enum outcome outcome)
{
    return outcome_info(outcome)->rule.next != NEXT_NO ||
           (outcome == OUTCOME_REFUSED && a->call->request.prefill.len);
}

static void log_failure(const struct attempt *a, enum outcome outcome)
{
    const struct log_field fields[] = {
        LOG_INT("attempt", a->number),
        LOG_STR("provider", a->deployment->provider->name),
        LOG_STR("deployment", a->deployment->name),
        LOG_TEXT("outcome", outcome_name(outcome)),
        LOG_INT("upstream_status", a->http_status),
        LOG_TEXT("reason", a->detail),
        LOG_STR("upstream_request_id", a->limits.request_id),
    };
    /* Wrong credentials, a missing deployment and an empty account heal only when somebody acts. What
     * callers do (leave, ask for what is refused) is the usual course of things. */
    enum log_level level = outcome == OUTCOME_CREDENTIALS ? LOG_ERROR
                           : is_failure(a, outcome)       ? LOG_WARN
                                                          : LOG_INFO;
    log_write(level, &a->call->log, "attempt_failed", fields, HZ_LEN(fields));
}

static enum outcome run(struct task *t, struct call *c, const struct deployment *d, struct attempt *a)
{
    *a = (struct attempt) {
        .call = c,
        .memory = a->memory,
        .deployment = d,
        .state = state_of(c->setup, d),
        .number = (int)c->rows_len + 1,
        .started_ns = loop_now_ns(c->gateway->loop),
        .started_wall_ms = clock_wall_ms(),
    };
    c->served = d;
    /* Another call may have met a 429 since the plan was made. */
    a->limits.retry_after_ms = rest_left_ms(&a->state->rest, a->started_ns);
    a->is_passed_over = a->limits.retry_after_ms > 0;
    if (a->is_passed_over)
        return attempt_fail(a, OUTCOME_LIMITED, ERR_RATE_LIMIT, "rate limited");
    struct llm_outbound outbound;
    struct fail fail = { 0 };
    enum err err = llm_outbound_build(a->memory, &c->request, d, &outbound, &fail);
    if (err)
        return attempt_fail(a, OUTCOME_REFUSED, err, "%s", fail.text);
    a->is_passed_over = !breaker_enter(&a->state->breaker, &c->setup->breaker_options, a->started_ns, &a->is_probe);
    if (a->is_passed_over)
        return attempt_fail(a, OUTCOME_KEPT_AWAY, ERR_UPSTREAM, "its circuit breaker is open");
    if (!settle_begin(a)) {
        note_breaker(a, OUTCOME_STOPPED);
        return attempt_fail(a, OUTCOME_STOPPED, ERR_BUSY, "too many calls are in flight");
    }
    enum outcome outcome = exchange(t, a, &outbound);
    http_exchange_end(&a->exchange);
    note_breaker(a, outcome);

    atomic_fetch_add_explicit(&a->state->attempts, 1, memory_order_relaxed);
    if (outcome == OUTCOME_ANSWER)
        note_latency(a);
    else if (is_failure(a, outcome))
        atomic_fetch_add_explicit(&a->state->failures, 1, memory_order_relaxed);
    settle_note(a, outcome);
    return outcome;
}

/* The provider's copy of the request lives as long as its attempt: copies that stayed would leave a
 * large request no room to fall over. */
enum outcome attempt_run(struct task *t, struct call *c, const struct deployment *d, struct attempt *a)
{
    struct arena memory;
    arena_init(&memory, c->http->arena.limit_bytes);
    a->memory = &memory;
    enum outcome outcome = run(t, c, d, a);
    if (outcome != OUTCOME_ANSWER && !a->is_passed_over)
        log_failure(a, outcome);
    a->memory = NULL;
    arena_fini(&memory);
    return outcome;
}

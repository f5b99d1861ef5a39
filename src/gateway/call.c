#include "gateway/call.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/random.h"
#include "gateway/internal.h"
#include "wire/json.h"

/*
 * The life of a call. The good path:
 *
 *   classify -> plan -> attempt (send, wait, read or relay) -> settle -> last byte
 *
 * Each way it fails:
 *   nothing fits the request, or all cool down    an error, nothing was sent, no row
 *   its row could be written nowhere              503, nothing was sent
 *   an attempt fails before content               the next deployment of the plan; when there is no
 *                                                 other, the same again after 1, 2, 4 s
 *   the provider refuses the request itself       its error, normalised; no other deployment is asked
 *   a stream breaks after content                 a deployment that takes a prefill goes on with it; else
 *                                                 an error event in the stream, never a clean end
 *   the client leaves, time is up, or we stop     the provider call is cut; what passed is billed
 *   the rows cannot be made durable               an error instead of the answer's end
 */

enum { REPEATS_MAX = 3, REPEAT_FIRST_MS = 1000, REPEAT_JITTER_PERCENT = 20, CLASSIFY_TEXT_BYTES = 4096 };

/* ---- classify ---- */

/* Text of the last user message: a string, or the text parts of an array. */
static struct str last_user_text(struct call *c)
{
    struct str asked = c->request.asked, part, text = STR_NONE;
    if (json_kind(asked) != JSON_ARRAY)
        return json_to_str(&c->http->arena, asked);
    struct json_iter it;
    json_iter_init(&it, asked);
    while (!text.at && json_next_element(&it, &part))
        text = json_to_str(&c->http->arena, json_get(part, "text"));
    return text;
}

static void classify(struct call *c)
{
    bool is_auto = c->request.model.len == 0 || str_is(c->request.model, "auto");
    if (!c->has_tier)
        c->tier = c->caller.tier;
    if (!is_auto || c->request.operation != LLM_CHAT || (c->has_type && c->language.at))
        return;
    struct str text = str_first(last_user_text(c), CLASSIFY_TEXT_BYTES);
    if (!c->has_type)
        c->type = classify_type(text);
    if (!c->language.at)
        c->language = classify_language(text);
}

/* ---- attempts ---- */

static const struct outcome_rule *rule_for(const struct attempt *a, enum outcome outcome)
{
    return rule_of(a->call->setup, a->deployment, outcome);
}

static void note_fallback(struct call *c, const struct attempt *a)
{
    if (c->fallback_reason.at)
        return;
    c->fallback_reason =
        arena_printf(&c->http->arena, "%.*s/%.*s: %s", STR_ARG(a->deployment->provider->name),
                     STR_ARG(a->deployment->name), a->detail);
}

/* The plan's first choice was left out because it is rate limited or has failed lately. */
static void note_skipped(struct call *c)
{
    const struct deployment *first = c->plan.first;
    if (first == c->plan.list[0])
        return;
    bool is_closed = breaker_state(&state_of(c->setup, first)->breaker) == BREAKER_CLOSED;
    c->fallback_reason = arena_printf(&c->http->arena, "%.*s/%.*s: %s", STR_ARG(first->provider->name),
                                      STR_ARG(first->name),
                                      is_closed ? "rate limited" : "its circuit breaker is open");
}

/* The shortest wait counts, of those that were left out and those that refused just now. */
static void note_limited(struct call *c, const struct attempt *a)
{
    int64_t ms = a->limits.retry_after_ms;
    if (!c->plan.retry_after_ms || ms < c->plan.retry_after_ms)
        c->plan.retry_after_ms = ms;
}

/* What went wrong, for the error that lists all of it. */
static void add_reason(struct buf *reasons, const struct attempt *a)
{
    if (reasons->len)
        buf_add(reasons, STR("; "));
    buf_addf(reasons, "%.*s/%.*s: %s", STR_ARG(a->deployment->provider->name),
             STR_ARG(a->deployment->name), a->detail);
}

/* What follows. Once the client has part of the answer, only somebody who goes on with it. */
static enum next next_of(const struct attempt *a, enum outcome outcome)
{
    const struct call *c = a->call;
    enum next next = rule_for(a, outcome)->next;
    bool is_over = outcome == OUTCOME_ANSWER || outcome == OUTCOME_STOPPED || outcome == OUTCOME_FILTERED;
    if (!c->is_stream_begun || is_over)
        return next;
    if (!c->said.text.len)
        return NEXT_NO;
    return next == NEXT_LARGER ? NEXT_LARGER : NEXT_AT_ONCE; /* a refusal is one of the prefill, too */
}

/* While somebody else would be asked, an attempt gets half of what is left of the total, so that another one
 * always fits; the last gets all. */
static int64_t share_of_total(const struct call *c, int64_t now_ns)
{
    const struct outcome_rule *rule = rule_of(c->setup, c->plan.list[c->plan.at], OUTCOME_SILENT);
    bool is_last = rule->next == NEXT_NO || !plan_has_another(c);
    return is_last ? c->deadline_ns : now_ns + HZ_MAX(c->deadline_ns - now_ns, 0) / 2;
}

static enum outcome try_one(struct task *t, struct call *c, struct attempt *a, struct buf *reasons)
{
    const struct deployment *d = c->plan.list[c->plan.at];
    c->keeps_text = resume_may_follow(c);
    c->share_ns = share_of_total(c, loop_now_ns(task_loop(t)));
    if (c->said.text.len)
        resume_begin(c, d);
    enum outcome outcome = attempt_run(t, c, d, a);
    if (outcome == OUTCOME_LIMITED)
        note_limited(c, a);
    if (outcome != OUTCOME_ANSWER && (outcome != OUTCOME_STOPPED || a->err == ERR_DEADLINE))
        add_reason(reasons, a);
    return outcome;
}

/* Is there time for somebody else, and a place? Those that are passed over take none: attempts count. */
static bool may_go_on(struct task *t, const struct call *c)
{
    return c->rows_len == 0 || (plan_has_room(c, 0) && loop_now_ns(task_loop(t)) < c->deadline_ns);
}

static enum outcome try_plan(struct task *t, struct call *c, struct attempt *a, struct buf *reasons)
{
    enum outcome outcome = OUTCOME_KEPT_AWAY;
    note_skipped(c);
    for (size_t i = 0; i < c->plan.len && may_go_on(t, c); i++) {
        if (!plan_may_ask(c, c->plan.list[i]))
            continue;
        c->plan.at = i;
        outcome = try_one(t, c, a, reasons);
        enum next next = next_of(a, outcome);
        if (next == NEXT_NO)
            return outcome;
        if (next == NEXT_LARGER)
            c->plan.too_small = a->deployment;
        note_fallback(c, a);
    }
    return outcome;
}

static bool may_repeat(const struct attempt *a, enum outcome outcome)
{
    const struct call *c = a->call;
    bool goes_on = !c->is_stream_begun || (c->said.text.len && resume_takes(a->deployment));
    return goes_on && rule_for(a, outcome)->again == AGAIN_REPEAT;
}

/* Only where the plan has no other deployment: the same one after 1, 2 and 4 s. */
static enum outcome repeat(struct task *t, struct call *c, struct attempt *a, enum outcome outcome,
                           struct buf *reasons)
{
    for (int i = 0; i < REPEATS_MAX && may_repeat(a, outcome); i++) {
        int64_t ms = REPEAT_FIRST_MS << i;
        ms += (int64_t)random_below((uint64_t)(2 * ms * REPEAT_JITTER_PERCENT / 100)) -
              ms * REPEAT_JITTER_PERCENT / 100;
        /* A 429 may repeat where an override says so, but never before its time. */
        ms = HZ_MAX(ms, rest_left_ms(&a->state->rest, loop_now_ns(task_loop(t))));
        struct retry_budget *budget = &c->setup->retries[a->deployment->provider->index];
        bool is_too_late = loop_now_ns(task_loop(t)) + ms * NS_PER_MS >= c->deadline_ns;
        if (is_too_late || !retry_budget_take(budget))
            return outcome;
        task_set_stage(t, "wait to repeat");
        enum err err = task_sleep(t, ms);
        if (err)
            return attempt_wait_failed(t, a, err, "waiting to try again");
        outcome = try_one(t, c, a, reasons);
    }
    return outcome;
}

static enum outcome run_attempts(struct task *t, struct call *c, struct attempt *a, struct buf *reasons)
{
    enum outcome outcome = try_plan(t, c, a, reasons);
    if (plan_is_alone(c))
        outcome = repeat(t, c, a, outcome, reasons);
    if (c->is_stream_begun && outcome != OUTCOME_ANSWER && outcome != OUTCOME_STOPPED)
        outcome = OUTCOME_BROKEN; /* however the last that was to go on has failed */
    c->region = a->limits.region.len ? a->limits.region : a->deployment->provider->region;
    c->outcome = outcome;
    c->is_fallback = a->deployment != c->plan.first;
    return outcome;
}

/* ---- errors for the client ---- */

static enum err error_set(struct call *c, enum err err, struct str message)
{
    const struct err_info *info = err_info(err);
    c->error = (struct llm_error) {
        .message = arena_str(&c->http->arena, message),
        .type = str_of(info->type),
        .code = str_of(info->code),
        .param = str_of(c->fail.param),
    };
    c->error_status = info->status;
    return err;
}

static enum err error_from_fail(struct call *c, enum err err)
{
    return error_set(c, err, c->fail.err ? str_of(c->fail.text) : str_of(err_info(err)->text));
}

/* All that were asked failed, or the time was over with the last of them: name them with their reasons. */
static enum err error_from_attempts(struct call *c, const struct buf *reasons)
{
    enum err err = c->outcome == OUTCOME_STOPPED   ? ERR_DEADLINE
                   : c->outcome == OUTCOME_BROKEN  ? ERR_UPSTREAM_BROKEN
                   : c->outcome == OUTCOME_SILENT  ? ERR_SILENT
                   : c->outcome == OUTCOME_LIMITED ? ERR_RATE_LIMIT
                                                   : ERR_UPSTREAM;
    if (c->outcome == OUTCOME_LIMITED)
        c->retry_after_ms = c->plan.retry_after_ms;
    bool may_fall_back = c->setup->config->fallback.enabled;
    struct str text = arena_printf(&c->http->arena, "%s%s: %.*s", err_info(err)->text,
                                   may_fall_back ? "" : " (fallback is disabled)",
                                   STR_ARG(buf_str(reasons)));
    return error_set(c, err, text);
}

static enum err error_from_provider(struct call *c, const struct attempt *a)
{
    if (a->http_status < 400 || a->http_status > 499)
        return error_set(c, a->err ? a->err : ERR_UPSTREAM, str_of(a->detail));
    c->error = a->error;
    c->error_status = a->http_status;
    return ERR_BAD_REQUEST;
}

static enum err error_from_outcome(struct call *c, const struct attempt *a, const struct buf *reasons)
{
    switch (c->outcome) {
    case OUTCOME_ANSWER: return OK;
    case OUTCOME_REFUSED:
    case OUTCOME_FILTERED:
    case OUTCOME_CONTEXT: return error_from_provider(c, a);
    case OUTCOME_STOPPED:
        if (a->err != ERR_DEADLINE)
            return error_set(c, a->err, str_of(a->detail));
        /* fall through */
    default: return error_from_attempts(c, reasons);
    }
}

/* ---- the call ---- */

static void count_call(const struct call *c, enum err err)
{
    const struct model_state *m = &c->setup->models[c->served->model->index];
    series_add(err == OK                ? m->answered
               : err == ERR_CLIENT_GONE ? m->left
               : c->error_status < 500  ? m->refused
                                        : m->failed,
               1);
    if (err == OK && c->is_fallback)
        series_add(c->gateway->gateway->fallbacks, 1);
    if (err == OK && c->request.prefill.len)
        series_add(c->gateway->gateway->resumed, 1);
}

static int64_t total_ms(const struct call *c)
{
    const struct timeouts *route = c->plan.timeouts;
    return route && route->total_ms ? route->total_ms : c->plan.list[0]->provider->timeouts.total_ms;
}

static enum err make_plan(struct call *c)
{
    enum err err = plan_make(c, &c->plan);
    if (err == ERR_RATE_LIMIT)
        c->retry_after_ms = c->plan.retry_after_ms;
    if (err == ERR_UPSTREAM)
        c->retry_after_ms = c->plan.open_ms;
    if (err && c->plan.nobody.len)
        return error_set(c, err, c->plan.nobody);
    return err ? error_from_fail(c, err) : OK;
}

static enum err attempt_and_settle(struct task *t, struct call *c, struct attempt *a)
{
    struct buf reasons = { 0 };
    run_attempts(t, c, a, &reasons);
    enum err err = error_from_outcome(c, a, &reasons);
    enum err settled = settle_all(t, c);
    if (settled && err != ERR_CLIENT_GONE) {
        c->outcome = OUTCOME_BROKEN;
        err = error_set(c, ERR_STORE, STR("the call could not be recorded, so its answer is withheld"));
    }
    buf_fini(&reasons);
    return err;
}

enum err call_run(struct task *t, struct call *c)
{
    struct gateway *g = c->gateway->gateway;
    c->started_ns = loop_now_ns(task_loop(t));
    c->first_content_ms = -1;
    task_set_stage(t, "plan");
    classify(c);
    enum err err = make_plan(c);
    if (err)
        return err;
    if (!ledger_can_record(g->ledger)) {
        c->retry_after_ms = LEDGER_RETRY_MS;
        return error_set(c, ERR_STORE, STR("the call could not be recorded, so it was not made"));
    }
    c->deadline_ns = c->started_ns + total_ms(c) * NS_PER_MS;
    series_add(g->in_flight, 1);
    struct attempt *a = arena_alloc(&c->http->arena, sizeof(*a));
    err = attempt_and_settle(t, c, a);
    series_add(g->in_flight, -1);
    count_call(c, err);
    if (c->is_stream_begun || (c->request.is_stream && err == OK)) {
        enum err sent = relay_finish(t, c);
        err = err ? err : sent;
    }
    return err;
}

void call_init(struct call *c, struct gateway_loop *gl)
{
    *c = (struct call) { .gateway = gl, .setup = setup_ref(gl->setup) };
}

void call_fini(struct call *c)
{
    buf_fini(&c->answer);
    buf_fini(&c->said_text);
    setup_unref(c->setup);
}

/* Reasons quote providers, who may send anything, and headers are visible ASCII for everybody who
 * reads them (RFC 9110 §5.5): a control character becomes a space, any other character a '?'. */
static void add_header(struct buf *out, struct str name, struct str value)
{
    value = str_trim(value);
    if (value.len == 0)
        return;
    buf_add(out, name);
    buf_add(out, STR(": "));
    char *at = buf_reserve(out, value.len);
    size_t len = 0;
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.at[i];
        bool is_control = c < 0x20 || c == 0x7f;
        bool goes_on = i && (c & 0xC0) == 0x80 && (unsigned char)value.at[i - 1] >= 0x80;
        if (!goes_on)
            at[len++] = is_control ? ' ' : c > 0x7f ? '?' : value.at[i];
    }
    out->len += len;
    buf_add(out, STR("\r\n"));
}

void call_write_headers(const struct call *c, struct buf *out)
{
    if (!c->served)
        return;
    add_header(out, STR("X-Huntaze-Model"), c->served->model->name);
    add_header(out, STR("X-Huntaze-Provider"), c->served->provider->name);
    add_header(out, STR("X-Huntaze-Deployment"), c->served->name);
    add_header(out, STR("X-Huntaze-Region"), c->region);
    if (c->served->provider->kind == PROVIDER_SIM)
        add_header(out, STR("X-Huntaze-Simulated"), STR("true"));
    if (c->is_fallback)
        add_header(out, STR("X-Huntaze-Fallback-Reason"), c->fallback_reason);
    if (!c->request.is_stream && c->outcome == OUTCOME_ANSWER) {
        struct buf cost = { 0 };
        buf_add_usd(&cost, c->cost_nusd);
        add_header(out, STR("X-Huntaze-Cost-Usd"), buf_str(&cost));
        buf_fini(&cost);
    }
}

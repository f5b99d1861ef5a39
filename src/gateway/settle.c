#include "base/clock.h"
#include "gateway/internal.h"
#include "ledger/price.h"

/* A settle goes to the spool within the ledger's own patience; this only bounds a stuck disk. */
enum { SETTLE_MS = 60000, OUTPUT_GUESS_TOKENS = 1024 };

/* What the provider was told, else what the model can do at most; 0: nobody knows. */
static int64_t output_bound(const struct llm_request *r, const struct deployment *d)
{
    const int64_t bounds[] = {
        llm_request_output_limit(r, d),
        d->model->max_output_tokens,
        d->model->context_tokens,
    };
    for (size_t i = 0; i < HZ_LEN(bounds); i++) {
        if (bounds[i])
            return bounds[i];
    }
    return 0;
}

static bool has_true_bound(const struct llm_request *r, const struct deployment *d)
{
    return r->operation == LLM_EMBEDDINGS || output_bound(r, d);
}

static struct usage worst_case(const struct call *c, const struct deployment *d)
{
    const struct llm_request *r = &c->request;
    int64_t output = r->operation == LLM_EMBEDDINGS ? 0
                     : has_true_bound(r, d)         ? output_bound(r, d)
                                                    : OUTPUT_GUESS_TOKENS;
    return (struct usage) {
        .input_tokens = llm_request_input_bound(r),
        .output_tokens = HZ_MIN(output * HZ_MAX(r->n, 1), USAGE_CLASS_MOST),
    };
}

static int64_t cost_of(const struct deployment *d, const struct usage *usage)
{
    return price_is_known(&d->price) ? price_cost(&d->price, usage) : 0;
}

/* Most calls need one, and streams are open for long. */
static struct transfer *next_row(struct call *c)
{
    HZ_ASSERT(c->rows_len < ATTEMPTS_MAX);
    if (c->rows_len == c->rows_cap) {
        size_t cap = c->rows_cap ? ATTEMPTS_MAX : 1;
        struct transfer *rows = arena_alloc(&c->http->arena, cap * sizeof(*rows));
        if (c->rows_len)
            memcpy(rows, c->rows, c->rows_len * sizeof(*rows));
        c->rows = rows;
        c->rows_cap = cap;
    }
    return &c->rows[c->rows_len];
}

bool settle_begin(struct attempt *a)
{
    struct call *c = a->call;
    const struct deployment *d = a->deployment;
    struct transfer *row = next_row(c);
    *row = (struct transfer) {
        .operation_id = c->operation_id,
        .attempt = a->number,
        .kind = TRANSFER_SETTLE,
        .debit_account = c->caller.account_name,
        .credit_account = a->state->provider_name,
        .is_unpriced = !price_is_known(&d->price),
        .key = c->caller.key_name,
        .feature = ledger_label(c->gateway->gateway->ledger, c->feature),
        .provider = a->state->provider_name,
        .deployment = a->state->name,
        .model = a->state->model_name,
        .region = a->state->region_name,
        .tier = (uint8_t)c->tier,
        .operation = (uint8_t)c->request.operation,
        .usage = worst_case(c, d),
        .usage_source = USAGE_UNKNOWN,
        .status = ATTEMPT_CRASHED,
        .started_ms = a->started_wall_ms,
        .first_content_ms = -1,
        .is_stream = c->request.is_stream,
        .is_fallback = d != c->plan.first,
    };
    row->amount_nusd = cost_of(d, &row->usage);
    if (c->is_correlation_given)
        row->correlation_id = c->log.correlation_id;
    struct ledger_slot *slot = ledger_slot_take(c->gateway->gateway->ledger, row);
    if (!slot)
        return false;
    c->slots[c->rows_len++] = slot;
    return true;
}

/* ---- what an outcome costs ---- */

static enum attempt_status status_of(const struct attempt *a, enum outcome outcome)
{
    switch (outcome) {
    case OUTCOME_ANSWER:
        return a->answer.is_content_filter ? ATTEMPT_CONTENT_FILTER : ATTEMPT_OK;
    case OUTCOME_FILTERED: return ATTEMPT_CONTENT_FILTER;
    case OUTCOME_BROKEN: return ATTEMPT_BROKEN;
    case OUTCOME_STOPPED: return a->err == ERR_CLIENT_GONE ? ATTEMPT_CLIENT_GONE : ATTEMPT_BROKEN;
    default: return ATTEMPT_FAILED;
    }
}

/* It had the request and had not refused it. */
static bool was_at_work(const struct attempt *a)
{
    return a->was_sent && (a->http_status == 0 || a->http_status == 200);
}

/* A whole answer is finished and billed even when nobody takes it any more or can read it, and what
 * it cost is known to the provider alone. A stream ends when its connection does: what passed is what counts. */
static bool is_unseen(const struct attempt *a, enum outcome outcome)
{
    if (a->call->request.is_stream || a->answer.has_usage || !was_at_work(a))
        return false;
    bool broke_within = a->http_status == 200 && !a->exchange.is_body_done;
    return outcome == OUTCOME_STOPPED || outcome == OUTCOME_SILENT || broke_within || a->has_begun;
}

/* Did the provider do work that it bills? Content that came, or a prompt that it read. */
static bool is_billed(const struct attempt *a, enum outcome outcome)
{
    if (a->answer.has_usage || a->has_begun || outcome == OUTCOME_ANSWER ||
        outcome == OUTCOME_BROKEN || outcome == OUTCOME_FILTERED)
        return true;
    return was_at_work(a) && (outcome == OUTCOME_STOPPED || outcome == OUTCOME_SILENT);
}

static void note_absurd(const struct attempt *a)
{
    series_add(a->state->usage_absurd, 1);
    log_warn(&a->call->log, "usage_not_believed", LOG_INT("attempt", a->number),
             LOG_STR("provider", a->deployment->provider->name),
             LOG_STR("deployment", a->deployment->name), LOG_STR("stated", a->answer.absurd_usage),
             LOG_STR("upstream_request_id", a->limits.request_id));
}

/* It is billed as stated; somebody should know that the bound does not hold. */
static void note_overdraft(const struct attempt *a, int64_t stated_nusd, int64_t bound_nusd)
{
    series_add(a->state->usage_above_bound, 1);
    log_warn(&a->call->log, "usage_above_bound", LOG_INT("attempt", a->number),
             LOG_STR("provider", a->deployment->provider->name),
             LOG_STR("deployment", a->deployment->name), LOG_USD("stated_usd", stated_nusd),
             LOG_USD("bound_usd", bound_nusd), LOG_USD("overdraft_usd", stated_nusd - bound_nusd),
             LOG_INT("input_tokens", a->answer.usage.input_tokens),
             LOG_INT("output_tokens", a->answer.usage.output_tokens),
             LOG_STR("upstream_request_id", a->limits.request_id));
}

static void take_usage(struct attempt *a, enum outcome outcome, struct transfer *row)
{
    int64_t bound_nusd = row->amount_nusd;
    if (a->answer.absurd_usage.len)
        note_absurd(a);
    if (is_unseen(a, outcome))
        return; /* the row keeps its estimate, and says so */
    if (!is_billed(a, outcome)) {
        row->usage = (struct usage) { 0 };
        row->usage_source = USAGE_PROVIDER; /* a refusal states that nothing was used */
    } else if (a->answer.has_usage) {
        row->usage = a->answer.usage;
        row->usage_source = USAGE_PROVIDER;
    } else {
        row->usage = (struct usage) {
            .input_tokens = llm_request_input_estimate(&a->call->request),
            .output_tokens = a->answer.output_estimate,
        };
        row->usage_source = USAGE_COUNTED;
    }
    row->amount_nusd = cost_of(a->deployment, &row->usage);
    bool is_stated = row->usage_source == USAGE_PROVIDER;
    if (is_stated && row->amount_nusd > bound_nusd && has_true_bound(&a->call->request, a->deployment))
        note_overdraft(a, row->amount_nusd, bound_nusd);
}

static void count_metrics(struct attempt *a, enum outcome outcome, const struct transfer *row)
{
    struct deployment_state *s = a->state;
    series_add(s->outcomes[outcome], 1);
    series_observe(s->seconds, (double)row->duration_ms / 1000);
    if (row->first_content_ms >= 0)
        series_observe(s->first_content, (double)row->first_content_ms / 1000);
    if (row->amount_nusd)
        series_add(s->cost, row->amount_nusd);
    if (row->usage_source == USAGE_UNKNOWN)
        return; /* bounds, not counts */
    const struct usage *u = &row->usage;
    if (u->input_tokens)
        series_add(s->tokens_in, u->input_tokens);
    if (u->cached_tokens)
        series_add(s->tokens_cached, u->cached_tokens);
    if (u->output_tokens)
        series_add(s->tokens_out, u->output_tokens);
    if (u->reasoning_tokens)
        series_add(s->tokens_reasoning, u->reasoning_tokens);
}

void settle_note(struct attempt *a, enum outcome outcome)
{
    struct call *c = a->call;
    struct transfer *row = &c->rows[c->rows_len - 1];
    struct ledger *ledger = c->gateway->gateway->ledger;
    int64_t now_ns = loop_clock_ns(c->gateway->loop);
    take_usage(a, outcome, row);
    row->status = status_of(a, outcome);
    row->http_status = a->http_status;
    row->error = outcome == OUTCOME_ANSWER ? 0 : ledger_name(ledger, str_of(err_name(a->err)));
    row->duration_ms = (int32_t)((now_ns - a->started_ns) / NS_PER_MS);
    if (a->first_content_ns)
        row->first_content_ms = (int32_t)((a->first_content_ns - a->started_ns) / NS_PER_MS);
    if (a->limits.region.len && !str_eq(a->limits.region, a->deployment->provider->region))
        row->region = ledger_label(ledger, str_first(a->limits.region, 64));
    c->cost_nusd = num_add_capped(c->cost_nusd, row->amount_nusd);
    /* Of an answer in several parts: the sum. */
    if (!c->request.prefill.len)
        c->usage = (struct usage) { 0 };
    if (!c->request.prefill.len || row->usage_source > c->usage_source)
        c->usage_source = row->usage_source;
    usage_add(&c->usage, &row->usage);
    c->is_unpriced |= row->is_unpriced;
    if (c->first_content_ms < 0)
        c->first_content_ms = row->first_content_ms;
    count_metrics(a, outcome, row);
}

/* ---- durable ---- */

enum err settle_all(struct task *t, struct call *c)
{
    struct ledger *ledger = c->gateway->gateway->ledger;
    if (c->rows_len == 0)
        return OK;
    if (!c->setup->config->ledger.wait) {
        ledger_post(ledger, c->rows, c->rows_len);
        return OK;
    }
    task_set_stage(t, "settle");
    task_shield(t, SETTLE_MS);
    enum err err = ledger_settle(t, ledger, c->rows, c->rows_len);
    /* After an error the slots stay: after a restart these attempts are unknown, never forgotten. */
    if (err)
        log_error(&c->log, "settle_failed", LOG_TEXT("error", err_name(err)), LOG_INT("rows", c->rows_len));
    for (size_t i = 0; i < c->rows_len && !err; i++)
        ledger_slot_release(ledger, c->slots[i]);
    task_unshield(t);
    return err;
}

#include "base/clock.h"
#include "sim/sim_call.h"

/* A third of Azure's answers say -1 and 0, as observed on Foundry models. */
static void add_azure_limits(const struct sim_call *c, struct buf *out)
{
    bool is_unknown =
        c->behave.negative_limits || c->dialect == DIALECT_FOUNDRY_MODELS || c->seq % 3 == 0;
    bool is_limited = c->status == 429;
    buf_addf(out,
             "x-ratelimit-limit-requests: 1000\r\nx-ratelimit-limit-tokens: 1000000\r\n"
             "x-ratelimit-remaining-requests: %d\r\nx-ratelimit-remaining-tokens: %d\r\n"
             "x-ratelimit-reset-requests: %d\r\nx-ratelimit-reset-tokens: %d\r\n",
             is_limited   ? 0
             : is_unknown ? -1
                          : 999,
             is_limited   ? 0
             : is_unknown ? -1
                          : 999000,
             is_unknown ? 0 : 10, is_unknown ? 0 : 60);
}

static void add_azure(const struct sim_call *c, const char *id, struct buf *out)
{
    struct str region = c->behave.region.at ? c->behave.region : STR("East US 2");
    buf_addf(out, "apim-request-id: %s\r\nx-request-id: %s\r\nx-ms-region: ", id, id);
    for (size_t i = 0; i < region.len; i++) {
        bool is_space = region.at[i] == '_' || (unsigned char)region.at[i] < ' ';
        buf_add_char(out, is_space ? ' ' : region.at[i]);
    }
    buf_add(out, STR("\r\n"));
    struct str client_id = http_head_get(&c->http->head, "x-ms-client-request-id");
    if (client_id.at)
        buf_addf(out, "x-ms-client-request-id: %.*s\r\n", STR_ARG(client_id));
    add_azure_limits(c, out);
}

static void add_openai(const struct sim_call *c, const char *id, struct buf *out)
{
    int remaining = c->status == 429 ? 0 : c->behave.negative_limits ? -1 : 9999;
    buf_addf(
        out,
        "x-request-id: req_%s\r\nopenai-version: 2020-10-01\r\nopenai-organization: simulated\r\n"
        "x-ratelimit-limit-requests: 10000\r\nx-ratelimit-limit-tokens: 2000000\r\n"
        "x-ratelimit-remaining-requests: %d\r\nx-ratelimit-remaining-tokens: %d\r\n"
        "x-ratelimit-reset-requests: 6ms\r\nx-ratelimit-reset-tokens: 1m2s\r\n",
        id, remaining, remaining > 0 ? 1999000 : remaining);
}

struct str sim_call_headers(const struct sim_call *c, const char *content_type)
{
    char id[REQUEST_ID_LEN + 1];
    request_id_format(c->seq, id);
    struct buf out = { 0 };
    buf_addf(&out, "Content-Type: %s\r\n", content_type);
    if (sim_call_is_azure(c))
        add_azure(c, id, &out);
    else
        add_openai(c, id, &out);
    int64_t busy_ns = clock_mono_ns() - c->http->started_ns;
    buf_addf(&out, "openai-processing-ms: %lld\r\n", (long long)(HZ_MAX(busy_ns, 0) / NS_PER_MS));
    if (c->behave.retry_after_s >= 0)
        buf_addf(&out, "retry-after: %lld\r\n", (long long)c->behave.retry_after_s);
    if (c->behave.retry_after_ms >= 0)
        buf_addf(&out, "retry-after-ms: %lld\r\n", (long long)c->behave.retry_after_ms);
    struct str kept = arena_str(c->arena, buf_str(&out));
    buf_fini(&out);
    return kept;
}

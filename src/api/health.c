#include "api/request.h"
#include "base/clock.h"
#include "base/metrics.h"

enum { PING_MS = 2000 };

void health_live(struct task *t, struct api_request *r)
{
    reply_json(t, r, 200, STR("{\"status\":\"ok\"}"));
}

static void write_deployments(struct buf *out, const struct gateway_loop *gl, const struct provider *p)
{
    const struct config *config = gateway_config(gl);
    bool is_first = true;
    for (size_t i = 0; i < config->deployments_len; i++) {
        const struct deployment *d = &config->deployments[i];
        if (d->provider != p)
            continue;
        buf_add(out, is_first ? STR("{\"name\":") : STR(",{\"name\":"));
        buf_add_json(out, d->name);
        buf_add(out, STR(",\"model\":"));
        buf_add_json(out, d->model->name);
        buf_addf(out, ",\"state\":\"%s\"}", gateway_breaker_state(gl, d));
        is_first = false;
    }
}

/* Says what it knows without asking anybody, so that it answers whatever the providers do. */
void health_health(struct task *t, struct api_request *r)
{
    const struct gateway_loop *gl = r->api->gateway_loop;
    const struct config *config = gateway_config(gl);
    bool is_recording = ledger_is_healthy(gateway_ledger(r->api->gateway));
    struct buf body = { 0 };
    buf_addf(&body, "{\"status\":\"%s\",\"region\":", is_recording ? "healthy" : "degraded");
    buf_add_json(&body, config->server.region);
    buf_addf(&body, ",\"version\":\"%s\",\"uptime_s\":%lld,\"store\":\"%s\",\"simulated\":%s,\"providers\":[",
             HZ_VERSION, (long long)((clock_mono_ns() - r->api->started_ns) / NS_PER_S),
             is_recording ? "ok" : "unavailable: rows go to the spool",
             config->is_simulated ? "true" : "false");
    for (size_t i = 0; i < config->providers_len; i++) {
        struct provider_state p;
        gateway_provider_state(gl, i, &p);
        buf_add(&body, i ? STR(",{\"name\":") : STR("{\"name\":"));
        buf_add_json(&body, p.name);
        buf_add(&body, STR(",\"region\":"));
        buf_add_json(&body, p.region);
        const char *status = p.is_failing ? "failing" : p.is_cooling ? "rate_limited" : "ok";
        buf_addf(&body, ",\"status\":\"%s\",\"attempts\":%lld,\"failures\":%lld,\"deployments\":[",
                 status, (long long)p.attempts, (long long)p.failures);
        write_deployments(&body, gl, &config->providers[i]);
        buf_add(&body, STR("]}"));
    }
    buf_add(&body, STR("]}"));
    reply_json(t, r, 200, buf_str(&body));
    buf_fini(&body);
}

void health_ready(struct task *t, struct api_request *r)
{
    int64_t deadline_ns = task_deadline(t);
    task_set_deadline(t, loop_now_ns(task_loop(t)) + PING_MS * NS_PER_MS);
    enum err err = gateway_ping_store(t, r->api->gateway_loop);
    task_set_deadline(t, deadline_ns);
    if (err)
        reply_json(t, r, 503, STR("{\"status\":\"unavailable\",\"missing\":[\"store\"]}"));
    else
        reply_json(t, r, 200, STR("{\"status\":\"ready\"}"));
}

void health_metrics(struct task *t, struct api_request *r)
{
    struct buf body = { 0 }, headers = { 0 };
    metrics_render(&body);
    buf_add(&headers, STR("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    reply_base_headers(r, &headers);
    enum err err = http_reply(t, r->http, 200, buf_str(&headers), buf_str(&body));
    (void)err;
    buf_fini(&headers);
    buf_fini(&body);
}

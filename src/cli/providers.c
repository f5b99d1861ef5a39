#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "config/config.h"
#include "http/client.h"
#include "ledger/price.h"
#include "llm/llm.h"
#include "net/dns.h"
#include "sim/sim.h"

/* huntaze providers test: one small real call to every deployment, past routing and the ledger. */

enum { PARALLEL_CALLS = 8, ANSWER_BYTES_MAX = 8 << 20 };

static const struct cli_option providers_options[] = {
    CLI_CONFIG_OPTIONS,
    { "json", NULL, "a JSON list instead of a table" },
};
static const struct cli_command providers_command = {
    .usage = "huntaze providers test [options]",
    .about =
        "Makes one small real call to every configured deployment and prints what came back:\n"
        "status, region, latency, tokens, cost, and the error in full. The calls cost money, and\n"
        "stand in no ledger. Exit code 0: all worked.",
    .options = providers_options,
    .options_len = HZ_LEN(providers_options),
    .words_max = 1,
};

/* One deployment and what came back from it. */
struct trial {
    const struct deployment *deployment;
    struct arena arena;
    bool is_good;
    int status; /* of HTTP; 0: no answer */
    int64_t latency_ms;
    struct str region, request_id;
    struct usage usage;
    bool is_counted; /* the provider stated no usage: tokens by heuristic */
    struct llm_error error;
    /* while it runs; here because a task's stack is small */
    struct llm_request request;
    struct http_exchange exchange;
    struct fail fail;
};

struct trials {
    struct loop *loop;
    struct http_client *client;
    struct sim_server *sim;
    struct trial *list;
    size_t len, next, done;
};

/* ---- one call ---- */

static struct str write_body(struct trial *trial)
{
    const struct deployment *d = trial->deployment;
    struct buf body = { 0 };
    buf_add(&body, STR("{\"model\":"));
    buf_add_json(&body, d->model->name);
    if (d->caps.is_embedding)
        buf_add(&body, STR(",\"input\":\"Hello\"}"));
    else
        buf_add(
            &body,
            STR(",\"messages\":[{\"role\":\"user\",\"content\":\"Answer with one word: ready?\"}],"
                "\"max_tokens\":16}"));
    struct str kept = arena_str(&trial->arena, buf_str(&body));
    buf_fini(&body);
    return kept;
}

static void fail_with(struct trial *trial, enum err err, const char *text)
{
    const struct err_info *info = err_info(err);
    struct str message = text && text[0] ? str_of(text) : str_of(info->text);
    trial->error = (struct llm_error) {
        .message = arena_str(&trial->arena, message),
        .type = str_of(info->type),
        .code = str_of(info->code),
    };
}

static void read_whole(struct trial *trial, struct str body)
{
    struct llm_answer_options options = { .created_s = clock_wall_ms() / 1000 };
    struct llm_answer answer = { 0 };
    struct buf rewritten = { 0 };
    enum err err = llm_answer_read(&trial->arena, &trial->request, trial->deployment, &options,
                                   body, &rewritten, &answer, &trial->fail);
    buf_fini(&rewritten);
    trial->usage = answer.usage;
    if (err) {
        fail_with(trial, err, trial->fail.text);
        return;
    }
    trial->is_good = true;
    trial->is_counted = !answer.has_usage;
    if (trial->is_counted)
        trial->usage = (struct usage) { .input_tokens = llm_request_input_estimate(&trial->request),
                                        .output_tokens = answer.output_estimate };
}

static void read_head(struct trial *trial, const struct http_head *head)
{
    struct llm_limits limits = { 0 };
    llm_limits_read(head, clock_wall_ms(), &limits);
    trial->status = head->status;
    trial->region = arena_str(&trial->arena, limits.region);
    trial->request_id = arena_str(&trial->arena, limits.request_id);
}

static enum err read_body(struct task *t, struct trial *trial, int64_t deadline_ns)
{
    struct buf body = { .limit = ANSWER_BYTES_MAX };
    enum err err = http_exchange_read_all(t, &trial->exchange, &body, deadline_ns);
    if (!err && trial->status == 200)
        read_whole(trial, buf_str(&body));
    else if (!err)
        llm_error_read(&trial->arena, trial->status, arena_str(&trial->arena, buf_str(&body)),
                       &trial->error);
    buf_fini(&body);
    return err;
}

static enum err send_and_read(struct task *t, struct trials *all, struct trial *trial,
                              const struct llm_outbound *outbound)
{
    const struct provider *p = trial->deployment->provider;
    int64_t now_ns = loop_now_ns(all->loop);
    int64_t attempt_ns = now_ns + p->timeouts.attempt_ms * NS_PER_MS;
    struct http_send send = {
        .origin = { p->is_tls, p->host, p->port, p->ca_file },
        .method = STR("POST"),
        .target = outbound->target,
        .headers = outbound->headers,
        .body = outbound->body,
        .connect_deadline_ns = now_ns + p->timeouts.connect_ms * NS_PER_MS,
        .send_deadline_ns = attempt_ns,
    };
    enum err err = http_exchange_start(t, all->client, &trial->exchange, &send);
    if (!err)
        err = http_exchange_head(t, &trial->exchange, attempt_ns);
    if (err)
        return err;
    read_head(trial, &trial->exchange.head);
    return read_body(t, trial, attempt_ns);
}

static void run_trial(struct task *t, struct trials *all, struct trial *trial)
{
    enum llm_operation operation = trial->deployment->caps.is_embedding ? LLM_EMBEDDINGS : LLM_CHAT;
    struct llm_outbound outbound;
    int64_t started_ns = loop_clock_ns(all->loop);
    enum err err = llm_request_read(&trial->arena, operation, write_body(trial), &trial->request,
                                    &trial->fail);
    if (!err)
        err = llm_outbound_build(&trial->arena, &trial->request, trial->deployment, &outbound,
                                 &trial->fail);
    if (err) {
        fail_with(trial, err, trial->fail.text);
        return;
    }
    err = send_and_read(t, all, trial, &outbound);
    if (err)
        fail_with(trial, err, trial->exchange.detail);
    trial->latency_ms = (loop_clock_ns(all->loop) - started_ns) / NS_PER_MS;
    http_exchange_end(&trial->exchange);
}

/* ---- all calls ---- */

static void report_progress(const struct trials *all, const struct trial *trial)
{
    const struct deployment *d = trial->deployment;
    fprintf(stderr, "[%zu/%zu] %.*s %.*s: %s in %lld ms\n", all->done, all->len,
            STR_ARG(d->provider->name), STR_ARG(d->name), trial->is_good ? "ok" : "failed",
            (long long)trial->latency_ms);
}

static void run_some(struct task *t, void *arg)
{
    struct trials *all = arg;
    while (all->next < all->len && !task_stop_reason(t)) {
        struct trial *trial = &all->list[all->next++];
        run_trial(t, all, trial);
        all->done++;
        report_progress(all, trial);
    }
}

static void run_all(struct task *t, void *arg)
{
    struct trials *all = arg;
    struct task_group group;
    group_init(&group, t);
    for (int i = 0; i < PARALLEL_CALLS; i++)
        group_spawn(&group, "provider test", run_some, all);
    group_join(t, &group);
    if (all->sim)
        sim_server_stop(all->sim);
    loop_stop(all->loop);
}

static enum err start_simulator(struct trials *all, struct config *config, struct fail *fail)
{
    if (!config->needs_simulator)
        return OK;
    struct sim_server_options options = { 0 };
    enum err err = sim_server_open(all->loop, &options, &all->sim, fail);
    if (!err)
        config_set_simulator(config, STR("127.0.0.1"), sim_server_port(all->sim));
    return err;
}

static enum err call_all(struct trials *all, struct config *config, struct fail *fail)
{
    struct resolver *resolver = NULL;
    enum err err = loop_create(&(struct loop_options) { 0 }, &all->loop);
    if (err)
        return err;
    err = start_simulator(all, config, fail);
    if (!err)
        err = resolver_create(all->loop, &resolver);
    if (!err)
        err = resolver_set_servers(resolver, config->net.dns_servers);
    if (!err) {
        struct http_client_options options = { .resolver = resolver };
        all->client = http_client_create(all->loop, &options);
        task_spawn(all->loop, "providers test", run_all, all);
        loop_run(all->loop);
        http_client_destroy(all->client);
    }
    resolver_destroy(resolver);
    sim_server_close(all->sim);
    loop_destroy(all->loop);
    return err;
}

/* ---- what came back ---- */

enum { COLUMNS = 8 };
static const char *const titles[COLUMNS] = { "PROVIDER", "DEPLOYMENT", "MODEL",  "STATUS",
                                             "REGION",   "LATENCY",    "TOKENS", "COST" };

static void fill_tokens(struct trial *trial, struct str cells[COLUMNS])
{
    const struct price *price = &trial->deployment->price;
    struct buf cost = { 0 };
    cells[6] =
        arena_printf(&trial->arena, "%s%lld + %lld", trial->is_counted ? "~" : "",
                     (long long)trial->usage.input_tokens, (long long)trial->usage.output_tokens);
    if (price_is_known(price)) {
        buf_add(&cost, trial->is_counted ? STR("~$") : STR("$"));
        buf_add_usd(&cost, price_cost(price, &trial->usage));
    } else {
        buf_add(&cost, STR("unpriced"));
    }
    cells[7] = arena_str(&trial->arena, buf_str(&cost));
    buf_fini(&cost);
}

static void fill_cells(struct trial *trial, struct str cells[COLUMNS])
{
    const struct deployment *d = trial->deployment;
    cells[0] = d->provider->name;
    cells[1] = d->name;
    cells[2] = d->model->name;
    cells[3] = trial->status ? arena_printf(&trial->arena, "%d", trial->status) : STR("-");
    cells[4] = trial->region.len         ? trial->region
               : d->provider->region.len ? d->provider->region
                                         : STR("-");
    cells[5] = arena_printf(&trial->arena, "%lld ms", (long long)trial->latency_ms);
    cells[6] = cells[7] = STR("-");
    if (trial->is_good)
        fill_tokens(trial, cells);
}

static void print_cells(const struct str cells[COLUMNS], const size_t widths[COLUMNS])
{
    for (int i = 0; i < COLUMNS; i++) {
        int pad = i + 1 < COLUMNS ? (int)(widths[i] + 2 - cells[i].len) : 0;
        printf("%.*s%*s", STR_ARG(cells[i]), pad, "");
    }
    printf("\n");
}

static void print_error(const struct llm_error *error)
{
    printf("    %.*s", STR_ARG(error->message));
    if (error->code.len)
        printf(" (%.*s)", STR_ARG(error->code));
    if (error->param.len)
        printf(" at %.*s", STR_ARG(error->param));
    printf("\n");
}

static void print_table(struct trials *all)
{
    struct str(*rows)[COLUMNS] = mem_zalloc((all->len + 1) * sizeof(*rows));
    size_t widths[COLUMNS] = { 0 };
    for (int i = 0; i < COLUMNS; i++)
        rows[0][i] = str_of(titles[i]);
    for (size_t k = 0; k < all->len; k++)
        fill_cells(&all->list[k], rows[k + 1]);
    for (size_t k = 0; k <= all->len; k++) {
        for (int i = 0; i < COLUMNS; i++)
            widths[i] = HZ_MAX(widths[i], rows[k][i].len);
    }
    for (size_t k = 0; k <= all->len; k++) {
        print_cells(rows[k], widths);
        if (k && !all->list[k - 1].is_good)
            print_error(&all->list[k - 1].error);
    }
    mem_free(rows);
}

static void add_text(struct buf *out, const char *name, struct str value)
{
    buf_addf(out, ",\"%s\":", name);
    if (value.len)
        buf_add_json(out, value);
    else
        buf_add(out, STR("null"));
}

static void write_money(const struct trial *trial, struct buf *out)
{
    const struct price *price = &trial->deployment->price;
    if (!trial->is_good || !price_is_known(price)) {
        buf_add(out, STR(",\"cost_usd\":null,\"cost_nusd\":null"));
        return;
    }
    int64_t cost_nusd = price_cost(price, &trial->usage);
    buf_add(out, STR(",\"cost_usd\":"));
    buf_add_usd(out, cost_nusd);
    buf_addf(out, ",\"cost_nusd\":\"%lld\"", (long long)cost_nusd);
}

static void write_trial(const struct trial *trial, struct buf *out)
{
    const struct deployment *d = trial->deployment;
    buf_add(out, STR("{\"provider\":"));
    buf_add_json(out, d->provider->name);
    add_text(out, "deployment", d->name);
    add_text(out, "model", d->model->name);
    buf_addf(out, ",\"ok\":%s,\"status\":", trial->is_good ? "true" : "false");
    if (trial->status)
        buf_add_i64(out, trial->status);
    else
        buf_add(out, STR("null"));
    add_text(out, "region", trial->region.len ? trial->region : d->provider->region);
    add_text(out, "request_id", trial->request_id);
    buf_addf(
        out,
        ",\"latency_ms\":%lld,\"input_tokens\":%lld,\"output_tokens\":%lld,\"usage_source\":%s",
        (long long)trial->latency_ms, (long long)trial->usage.input_tokens,
        (long long)trial->usage.output_tokens,
        !trial->is_good     ? "null"
        : trial->is_counted ? "\"counted\""
                            : "\"provider\"");
    write_money(trial, out);
    if (trial->is_good) {
        buf_add(out, STR(",\"error\":null}"));
        return;
    }
    buf_add(out, STR(",\"error\":{\"message\":"));
    buf_add_json(out, trial->error.message);
    add_text(out, "type", trial->error.type);
    add_text(out, "code", trial->error.code);
    add_text(out, "param", trial->error.param);
    buf_add(out, STR("}}"));
}

static void print_json(const struct trials *all)
{
    struct buf out = { 0 };
    for (size_t i = 0; i < all->len; i++) {
        buf_add(&out, i ? STR(",\n ") : STR("["));
        write_trial(&all->list[i], &out);
    }
    buf_add(&out, STR("]\n"));
    fwrite(out.at, 1, out.len, stdout);
    buf_fini(&out);
}

static int test_providers(struct config *config, bool is_json)
{
    struct trials all = { .len = config->deployments_len };
    struct fail fail = { 0 };
    int failed = 0;
    if (all.len == 0) {
        fprintf(stderr, "huntaze: no deployment is configured\n");
        return 1;
    }
    all.list = mem_zalloc(all.len * sizeof(*all.list));
    for (size_t i = 0; i < all.len; i++)
        all.list[i].deployment = &config->deployments[i];
    enum err err = call_all(&all, config, &fail);
    if (err)
        fprintf(stderr, "huntaze: %s\n", fail.err ? fail.text : err_info(err)->text);
    else if (is_json)
        print_json(&all);
    else
        print_table(&all);
    for (size_t i = 0; i < all.len; i++) {
        failed += !all.list[i].is_good;
        arena_fini(&all.list[i].arena);
    }
    mem_free(all.list);
    return err || failed ? 1 : 0;
}

int cli_providers(int argc, char **argv)
{
    struct cli_args args;
    enum cli_verdict verdict = cli_parse(&providers_command, argc, argv, &args);
    if (verdict != CLI_GO_ON)
        return cli_exit_code(verdict);
    if (args.words_len != 1 || strcmp(args.words[0], "test") != 0) {
        fprintf(stderr, "huntaze: what about the providers? allowed: huntaze providers test\n");
        return 2;
    }
    struct config *config = cli_load_config(&args);
    if (!config)
        return 1;
    int code = test_providers(config, cli_has(&args, "json"));
    config_unref(config);
    return code;
}

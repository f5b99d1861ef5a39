#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/server.h"

static const struct cli_option serve_options[] = {
    CLI_CONFIG_OPTIONS,
    { "port", "PORT", "listen at this port (default: as server.listen says)" },
    { "listen", "HOST:PORT", "listen at this address" },
    { "quiet", NULL, "no greeting on standard error" },
};
static const struct cli_command serve_command = {
    .usage = "huntaze serve [options]",
    .about = "Runs the router. Without a configuration file: http://127.0.0.1:8080, SQLite in ./data,\n"
             "the built-in simulated provider. Logs go to standard output as JSON lines.",
    .options = serve_options,
    .options_len = HZ_LEN(serve_options),
};

static struct config *load_config(struct cli_args *args)
{
    const char *port = cli_value(args, "port"), *listen = cli_value(args, "listen");
    static char room[320];
    if (listen)
        snprintf(room, sizeof(room), "server.listen=%s", listen);
    if (listen && args->sets_len < CLI_SETS_MAX)
        args->sets[args->sets_len++] = room;
    struct config *config = cli_load_config(args);
    if (!config || !port || listen || args->sets_len == CLI_SETS_MAX)
        return config;
    struct str host = config->server.listen_host;
    bool is_v6 = str_find_char(host, ':') != SIZE_MAX;
    snprintf(room, sizeof(room), is_v6 ? "server.listen=[%.*s]:%s" : "server.listen=%.*s:%s",
             STR_ARG(host), port);
    args->sets[args->sets_len++] = room;
    config_unref(config);
    return cli_load_config(args);
}

/* ---- say what runs ---- */

static void log_start(const struct server *s)
{
    const struct config *config = s->config;
    struct buf providers = { 0 };
    for (size_t i = 0; i < config->providers_len; i++) {
        if (i)
            buf_add(&providers, STR(", "));
        buf_add(&providers, config->providers[i].name);
    }
    log_info(NULL, "start", LOG_TEXT("version", HZ_VERSION), LOG_STR("region", config->server.region),
             LOG_TEXT("store", config->store.is_postgres ? "postgresql" : "sqlite"),
             LOG_STR("providers", buf_str(&providers)), LOG_INT("loops", s->loops_len),
             LOG_STR("listen", config->server.listen_host), LOG_INT("port", acceptor_port(s->acceptor)),
             LOG_STR("config", config->source), LOG_TEXT("env", run_env_name(config->env)),
             LOG_BOOL("simulated", config->is_simulated));
    buf_fini(&providers);
    server_log_warnings(config);
}

static void greet(const struct server *s)
{
    const char *scheme = s->tls ? "https" : "http";
    struct str host = s->config->server.listen_host;
    int port = acceptor_port(s->acceptor);
    fprintf(stderr, "\nHuntaze %s listens on %s://%.*s:%d\n", HZ_VERSION, scheme, STR_ARG(host), port);
    if (s->config->is_simulated)
        fprintf(stderr, "No provider is configured: answers come from the built-in simulator.\n");
    if (s->admin_key.text[0])
        fprintf(stderr, "Admin key (also in %s): %s\n", s->admin_key.path, s->admin_key.text);
    fprintf(stderr,
            "\nTry:\n  curl -s %s%s://%.*s:%d/v1/chat/completions \\\n    -H 'Authorization: Bearer %s' \\\n"
            "    -H 'Content-Type: application/json' \\\n"
            "    -d '{\"model\":\"auto\",\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]}'\n"
            "\nCtrl-C stops.\n\n",
            s->tls ? "-k " : "", scheme, STR_ARG(host), port,
            s->admin_key.text[0] ? s->admin_key.text : "KEY");
}

int cli_serve(int argc, char **argv)
{
    struct cli_args args;
    /* First of all: a SIGHUP or SIGUSR2 that comes now would end us, but waits until we serve. */
    server_block_signals();
    enum cli_verdict verdict = cli_parse(&serve_command, argc, argv, &args);
    if (verdict != CLI_GO_ON)
        return cli_exit_code(verdict);
    struct server *s = MEM_NEW(struct server);
    restart_init(&s->restart, argc, argv);
    s->config = load_config(&args);
    s->args = &args;
    int code = 1;
    if (!s->config)
        goto out;
    server_set_log_level(s->config);
    struct fail fail = { 0 };
    enum err err = server_open(s, &fail);
    if (err) {
        fprintf(stderr, "huntaze: cannot start: %s\n", fail.err ? fail.text : err_info(err)->text);
    } else {
        series_add(metrics_series(METRIC_START_TIME, NULL), clock_wall_ms() / 1000);
        log_start(s);
        if (!cli_has(&args, "quiet"))
            greet(s);
        server_run(s);
        log_info(NULL, "stopped", LOG_INT("connections", 0));
        code = 0;
    }
    server_close(s);
out:
    restart_fini(&s->restart);
    mem_free(s);
    return code;
}

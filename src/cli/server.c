#include "cli/server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/certificates.h"
#include "cli/reload.h"
#include "http/peers.h"
#include "loop/worker.h"

enum { WORKERS = 4, INTERRUPT_MS = 500, POLL_MS = 10, REQUEST_ARENA_BYTES = 16 << 20 };

/* ---- what the log tells ---- */

void server_set_log_level(const struct config *config)
{
    static const char *const names[LOG_LEVELS] = { "debug", "info", "warn", "error" };
    for (int i = 0; i < LOG_LEVELS; i++) {
        if (str_is(config->log.level, names[i]))
            log_set_level((enum log_level)i);
    }
}

void server_log_warnings(const struct config *config)
{
    if (!config->auth.required)
        log_warn(NULL, "auth_off", LOG_TEXT("meaning", "anybody who can connect may spend money"));
    for (size_t i = 0; i < config->warnings_len; i++)
        log_warn(NULL, "config", LOG_STR("warning", config->warnings[i]));
}

/* ---- start ---- */

/* Each connection is a descriptor, and so is each provider connection. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static enum err make_loops(struct server *s)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int64_t wanted = s->config->server.loops ? s->config->server.loops : HZ_MAX(cores, 1);
    size_t count = (size_t)HZ_MIN(wanted, SERVER_LOOPS_MAX);
    for (; s->loops_len < count; s->loops_len++) {
        struct loop_options options = { .index = (unsigned)s->loops_len };
        enum err err = loop_create(&options, &s->loops[s->loops_len]);
        if (err)
            return err;
    }
    return OK;
}

enum err server_set_simulator(struct server *s, struct config *config, struct fail *fail)
{
    if (!config->needs_simulator)
        return OK;
    struct sim_server_options options = { 0 };
    enum err err = s->sim ? OK : sim_server_open(s->loops[0], &options, &s->sim, fail);
    if (!err)
        config_set_simulator(config, STR("127.0.0.1"), sim_server_port(s->sim));
    return err;
}

static enum err open_ledger(struct server *s, struct fail *fail)
{
    const struct config *config = s->config;
    struct ledger_options options = {
        .store_url = config->store.url,
        .spool_path = config->ledger.spool,
        .slots_path = config->ledger.slots,
        .slots_count = (size_t)config->ledger.slots_count,
        .node = (unsigned)config->store.node,
        .spools_when_down = config->ledger.spools_when_down,
        .predecessor = s->restart.ledger,
    };
    enum err err = ledger_open(&options, &s->ledger, fail);
    for (size_t i = 0; !err && i < s->loops_len; i++)
        ledger_attach(s->ledger, s->loops[i]);
    return err;
}

static enum err open_gateway(struct server *s, struct fail *fail)
{
    struct gateway_options options = {
        .config = s->config,
        .ledger = s->ledger,
        .workers = s->workers,
        .loops = s->loops,
        .loops_len = s->loops_len,
    };
    return gateway_create(&options, &s->gateway, fail);
}

static int64_t wait_for_ledger(void *ledger)
{
    return ledger_wait_ns(ledger);
}

struct peers_limits server_peers_limits(const struct config *config)
{
    return (struct peers_limits) {
        .in_all = (size_t)config->server.max_connections,
        .an_address = (size_t)config->server.max_connections_per_address,
    };
}

void server_http_options(struct server *s, size_t loop, struct http_server_options *out)
{
    const struct config *config = s->config;
    *out = (struct http_server_options) {
        .admit = api_admit,
        .handler = api_handle,
        .refuse = api_refuse,
        .arg = &s->apis[loop],
        .shed_delay_ms = config->server.shed_delay_ms,
        .is_vital = api_is_vital,
        .wait_behind = wait_for_ledger,
        .wait_behind_arg = s->ledger,
        .tls = s->tls,
        .keep_alive_ms = config->server.keep_alive_ms,
        .head_timeout_ms = config->server.head_timeout_ms,
        .body_timeout_ms = config->server.body_timeout_ms,
        .write_timeout_ms = config->server.write_timeout_ms,
        .max_body_bytes = (size_t)config->server.max_body_bytes,
        .max_bodies_bytes = HZ_MAX((size_t)config->server.max_bodies_bytes / s->loops_len,
                                   2 * (size_t)config->server.max_body_bytes),
        .peers = s->peers,
        /* The provider's copy of the largest body fits, with what is added to it. */
        .request_arena_bytes =
            HZ_MAX((size_t)REQUEST_ARENA_BYTES, 2 * (size_t)config->server.max_body_bytes),
    };
}

static enum err open_servers(struct server *s, struct fail *fail)
{
    const struct config *config = s->config;
    struct acceptor_target *targets = mem_alloc(s->loops_len * sizeof(*targets));
    s->peers = peers_create(server_peers_limits(config));
    for (size_t i = 0; i < s->loops_len; i++) {
        s->apis[i] = (struct api) {
            .gateway = s->gateway,
            .gateway_loop = gateway_on_loop(s->gateway, i),
            .started_ms = clock_wall_ms(),
            .started_ns = clock_mono_ns(),
        };
        struct http_server_options options;
        server_http_options(s, i, &options);
        s->servers[i] = http_server_create(s->loops[i], &options);
        targets[i] = (struct acceptor_target) { s->loops[i], s->servers[i] };
    }
    char *host = str_dup(config->server.listen_host);
    enum err err = acceptor_adopt(s->restart.listener, host, config->server.listen_port, targets,
                                  s->loops_len, &s->acceptor, &s->restart.is_adopted, fail);
    s->restart.listener = -1;
    mem_free(host);
    mem_free(targets);
    return err;
}

/* ---- stop ---- */

struct order {
    struct post post;
    struct server *from;
    struct http_server *to;
    void (*fn)(struct http_server *);
};

static void obey(struct post *post)
{
    struct order *order = HZ_CONTAINER_OF(post, struct order, post);
    order->fn(order->to);
    atomic_fetch_sub(&order->from->told, 1);
    mem_free(order);
}

void server_tell(struct server *s, void (*fn)(struct http_server *))
{
    for (size_t i = 0; i < s->loops_len; i++) {
        struct order *order = MEM_NEW(struct order);
        *order = (struct order) { { .fn = obey }, s, s->servers[i], fn };
        atomic_fetch_add(&s->told, 1);
        loop_post(s->loops[i], &order->post);
    }
}

void server_stop_loops(struct server *s)
{
    for (size_t i = 0; i < s->loops_len; i++)
        loop_stop(s->loops[i]);
}

size_t server_connections(const struct server *s)
{
    size_t sum = atomic_load(&s->told);
    for (size_t i = 0; i < s->loops_len; i++)
        sum += http_server_connections(s->servers[i]);
    return sum;
}

bool server_is_needed(const struct server *s)
{
    return server_connections(s) > 0 || ledger_has_predecessor(s->ledger);
}

static void stop_gently(struct task *t, void *arg)
{
    struct server *s = arg;
    acceptor_stop(s->acceptor);
    acceptor_shut(s->acceptor); /* whoever comes now is refused, not left waiting */
    restart_stop(s);
    server_tell(s, http_server_drain);
    int64_t began_ns = loop_now_ns(task_loop(t));
    while (server_is_needed(s) && loop_now_ns(task_loop(t)) < began_ns + s->stop_ms * NS_PER_MS) {
        if (task_sleep(t, POLL_MS) != OK)
            break;
    }
    server_stop_loops(s);
}

static void on_signal(struct watch *w, uint32_t ready)
{
    (void)ready;
    struct server *s = HZ_CONTAINER_OF(w, struct server, signals);
    struct signalfd_siginfo info;
    while (read(w->fd, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_signo == SIGUSR2) {
            restart_begin(s);
            continue;
        }
        if (info.ssi_signo == SIGHUP) {
            reload_begin(s);
            continue;
        }
        int64_t patience_ms = info.ssi_signo == SIGINT ? INTERRUPT_MS : s->config->server.shutdown_ms;
        s->stop_ms = s->is_stopping ? 0 : patience_ms;
        if (s->is_stopping)
            continue;
        s->is_stopping = true;
        log_info(NULL, "stop", LOG_INT("signal", info.ssi_signo), LOG_INT("patience_ms", patience_ms));
        task_spawn(s->loops[0], "shutdown", stop_gently, s);
    }
}

static void fill_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGHUP);
    sigaddset(set, SIGUSR2);
}

static enum err watch_signals(struct server *s)
{
    sigset_t set;
    fill_signals(&set);
    s->signals = (struct watch) {
        .fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC), .events = EPOLLIN, .on_ready = on_signal
    };
    return s->signals.fd < 0 ? ERR_IO : loop_watch(s->loops[0], &s->signals);
}

/* Before any thread exists, and before anything that takes time: signals reach only the descriptor above. */
void server_block_signals(void)
{
    sigset_t set;
    fill_signals(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* ---- run ---- */

static void *loop_thread(void *loop)
{
    loop_run(loop);
    return NULL;
}

void server_run(struct server *s)
{
    gateway_start(s->gateway);
    ledger_serve_predecessor(s->ledger, s->loops[0]);
    acceptor_start(s->acceptor);
    for (size_t i = 1; i < s->loops_len; i++) {
        int failed = pthread_create(&s->threads[i], NULL, loop_thread, s->loops[i]);
        HZ_ASSERT(!failed);
    }
    restart_announce(s);
    loop_run(s->loops[0]);
    for (size_t i = 1; i < s->loops_len; i++)
        pthread_join(s->threads[i], NULL);
}

void server_close(struct server *s)
{
    acceptor_destroy(s->acceptor);
    for (size_t i = 0; i < s->loops_len; i++)
        http_server_destroy(s->servers[i]);
    peers_destroy(s->peers);
    sim_server_close(s->sim);
    workers_destroy(s->workers);
    ledger_close(s->ledger);
    gateway_destroy(s->gateway);
    if (s->signals.is_added) {
        loop_unwatch(s->loops[0], &s->signals);
        close(s->signals.fd);
    }
    for (size_t i = 0; i < s->loops_len; i++)
        loop_destroy(s->loops[i]);
    SSL_CTX_free(s->tls);
    config_unref(s->config);
}

enum err server_open(struct server *s, struct fail *fail)
{
    raise_descriptor_limit();
    s->workers = workers_create(WORKERS);
    enum err err = make_loops(s);
    if (!err)
        err = server_set_simulator(s, s->config, fail);
    if (!err)
        err = open_ledger(s, fail);
    if (!err && s->config->env == ENV_DEVELOPMENT)
        err = admin_key_ensure(s->config, &s->admin_key, fail);
    if (!err)
        err = open_gateway(s, fail);
    if (!err)
        err = certificates_read(s->config, &s->tls, fail);
    if (!err)
        err = open_servers(s, fail);
    return err ? err : watch_signals(s);
}


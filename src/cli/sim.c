#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "net/tls.h"
#include "sim/sim.h"

/* huntaze sim: the simulated provider as a server of its own. */

enum { SCRIPT_BYTES_MAX = 1 << 20 };

static const struct cli_option sim_cli_options[] = {
    { "listen", "HOST:PORT", "where to listen (default 127.0.0.1:9100; port 0: any)" },
    { "script", "FILE", "rules as JSON, see docs/simulator.md" },
    { "key", "KEY", "calls must carry this key" },
    { "tls-cert", "FILE", "serve HTTPS with this certificate (PEM)" },
    { "tls-key", "FILE", "and with its private key" },
    { "words", NULL, "list the words of scripted behaviour" },
};
static const struct cli_command sim_command = {
    .usage = "huntaze sim [options]",
    .about = "A simulated provider that speaks the dialects of OpenAI, Azure OpenAI and Azure AI "
             "Foundry.\n"
             "Behaviour is asked for in the model's name (gpt-4o+status=429,retry_after=2) or by a "
             "script;\n"
             "--words lists what there is. What it billed: GET /sim/invoice.",
    .options = sim_cli_options,
    .options_len = HZ_LEN(sim_cli_options),
};

struct sim_process {
    struct cli_args args;
    struct fail fail;
    SSL_CTX *tls;
    struct loop *loop;
    struct sim_server *server;
    struct watch signals;
};

static int print_words(void)
{
    struct buf words = { 0 };
    sim_write_words(&words);
    fwrite(words.at, 1, words.len, stdout);
    buf_fini(&words);
    return 0;
}

/* ERR with the text of errno behind what was tried. */
static enum err fail_errno(struct fail *fail, enum err err, const char *what)
{
    char room[128];
    return fail_set(fail, err, "%s: %s", what, strerror_r(errno, room, sizeof(room)));
}

static enum err read_script(const char *path, struct buf *out, struct fail *fail)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return fail_errno(fail, ERR_CONFIG, path);
    char *room = buf_reserve(out, SCRIPT_BYTES_MAX + 1);
    out->len = fread(room, 1, SCRIPT_BYTES_MAX + 1, file);
    fclose(file);
    if (out->len > SCRIPT_BYTES_MAX)
        return fail_set(fail, ERR_CONFIG, "%s: a script has at most 1 MiB", path);
    return OK;
}

static enum err split_address(const char *text, struct arena *arena, const char **host, int *port,
                              struct fail *fail)
{
    const char *colon = strrchr(text, ':');
    int64_t number = -1;
    if (!colon || str_to_i64(str_of(colon + 1), &number) != OK || number < 0 || number > 65535)
        return fail_set(fail, ERR_CONFIG, "--listen %s: give HOST:PORT, such as 127.0.0.1:9100",
                        text);
    struct str name = str_make(text, (size_t)(colon - text));
    if (name.len >= 2 && name.at[0] == '[')
        name = str_make(name.at + 1, name.len - 2);
    *host = arena_cstr(arena, name);
    *port = (int)number;
    return OK;
}

static void on_signal(struct watch *w, uint32_t ready)
{
    (void)ready;
    struct sim_process *p = HZ_CONTAINER_OF(w, struct sim_process, signals);
    struct signalfd_siginfo info;
    if (read(w->fd, &info, sizeof(info)) != sizeof(info))
        return;
    sim_server_stop(p->server);
    loop_stop(p->loop);
}

/* Before the loop starts, so that a Ctrl-C at any moment ends it in order. */
static enum err watch_signals(struct sim_process *p)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    p->signals = (struct watch) { .fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC),
                                  .events = EPOLLIN | EPOLLET,
                                  .on_ready = on_signal };
    if (p->signals.fd < 0 || loop_watch(p->loop, &p->signals) != OK)
        return fail_errno(&p->fail, ERR_IO, "signals cannot be watched");
    return OK;
}

static enum err open_server(struct sim_process *p)
{
    struct arena arena = { 0 };
    struct buf script = { 0 };
    struct sim_server_options options = { .tls = p->tls };
    const char *listen = cli_value(&p->args, "listen");
    const char *path = cli_value(&p->args, "script");
    listen = listen ? listen : "127.0.0.1:9100";
    enum err err = split_address(listen, &arena, &options.host, &options.port, &p->fail);
    if (!err && path)
        err = read_script(path, &script, &p->fail);
    options.sim.script = buf_str(&script);
    options.sim.key = str_of(cli_value(&p->args, "key"));
    if (!err)
        err = sim_server_open(p->loop, &options, &p->server, &p->fail);
    if (!err) {
        printf("huntaze sim: listening on %s://%.*s:%d\n", p->tls ? "https" : "http",
               (int)(strrchr(listen, ':') - listen), listen, sim_server_port(p->server));
        fflush(stdout);
    }
    buf_fini(&script);
    arena_fini(&arena);
    return err;
}

static enum err open_tls(struct sim_process *p)
{
    const char *certificate = cli_value(&p->args, "tls-cert"),
               *key = cli_value(&p->args, "tls-key");
    if (!certificate && !key)
        return OK;
    if (!certificate || !key)
        return fail_set(&p->fail, ERR_CONFIG, "--tls-cert and --tls-key belong together");
    return tls_server_context(certificate, key, &p->tls, &p->fail);
}

/* Each caller's connection is a descriptor. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int serve(struct sim_process *p)
{
    raise_descriptor_limit();
    enum err err = loop_create(&(struct loop_options) { 0 }, &p->loop);
    if (!err)
        err = watch_signals(p);
    if (!err)
        err = open_tls(p);
    if (!err)
        err = open_server(p);
    if (!err)
        loop_run(p->loop);
    else
        fprintf(stderr, "huntaze sim: %s\n", p->fail.err ? p->fail.text : err_info(err)->text);
    return err ? 1 : 0;
}

static void process_destroy(struct sim_process *p)
{
    sim_server_close(p->server);
    if (p->signals.fd >= 0) {
        loop_unwatch(p->loop, &p->signals);
        close(p->signals.fd);
    }
    if (p->loop)
        loop_destroy(p->loop);
    SSL_CTX_free(p->tls);
    mem_free(p);
}

int cli_sim(int argc, char **argv)
{
    struct sim_process *p = MEM_NEW(struct sim_process);
    p->signals.fd = -1;
    enum cli_verdict verdict = cli_parse(&sim_command, argc, argv, &p->args);
    int code = verdict != CLI_GO_ON         ? cli_exit_code(verdict)
               : cli_has(&p->args, "words") ? print_words()
                                            : serve(p);
    process_destroy(p);
    return code;
}

#include "cli/restart.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "cli/server.h"

enum { POLL_MS = 20, SPARE_FDS = 3, GIVEN_FDS = 2, PLACE_MAX = 64 };

static const char variable[] = "HUNTAZE_RESTART_SOCKET";

enum notice_kind { NOTICE_GIVEN, NOTICE_SERVING, NOTICE_GOODBYE };
struct notice {
    int kind;
    int is_adopted; /* NOTICE_SERVING: at the listening socket that was given */
};

/* ---- the process before us ---- */

static bool receive_given(int from, int fds[GIVEN_FDS])
{
    struct notice notice;
    struct iovec part = { &notice, sizeof(notice) };
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(GIVEN_FDS * sizeof(int))];
    } control;
    struct msghdr message = { .msg_iov = &part,
                              .msg_iovlen = 1,
                              .msg_control = control.room,
                              .msg_controllen = sizeof(control.room) };
    if (recvmsg(from, &message, MSG_CMSG_CLOEXEC) != sizeof(notice) || notice.kind != NOTICE_GIVEN)
        return false;
    const struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    if (!head || head->cmsg_type != SCM_RIGHTS || head->cmsg_len != CMSG_LEN(GIVEN_FDS * sizeof(int)))
        return false;
    memcpy(fds, CMSG_DATA(head), GIVEN_FDS * sizeof(int));
    return true;
}

/* Descriptors 0 to 2 may be closed, and then what is given would stand in their place. */
static int keep(int fd)
{
    if (fd >= SPARE_FDS)
        return fd;
    int higher = fcntl(fd, F_DUPFD_CLOEXEC, SPARE_FDS);
    close(fd);
    return higher;
}

static void take_given(struct restart *r, const char *place)
{
    int64_t number;
    int fds[GIVEN_FDS];
    if (str_to_i64(str_of(place), &number) != OK || number < 0 ||
        fcntl((int)number, F_SETFD, FD_CLOEXEC) != 0 || !receive_given((int)number, fds))
        return;
    r->predecessor = (int)number;
    r->listener = keep(fds[0]);
    r->ledger = keep(fds[1]);
}

void restart_init(struct restart *r, int argc, char **argv)
{
    const char *place = getenv(variable);
    *r = (struct restart) { .predecessor = -1, .listener = -1, .notices.fd = -1 };
    r->program = (const char *)getauxval(AT_EXECFN);
    r->argv = mem_zalloc(((size_t)argc + 3) * sizeof(*r->argv));
    r->argv[0] = mem_strdup(r->program);
    r->argv[1] = mem_strdup("serve");
    for (int i = 0; i < argc; i++)
        r->argv[i + 2] = mem_strdup(argv[i]);
    if (place)
        take_given(r, place);
    unsetenv(variable);
}

void restart_fini(struct restart *r)
{
    for (char **arg = r->argv; arg && *arg; arg++)
        mem_free(*arg);
    mem_free(r->argv);
    if (r->predecessor >= 0)
        close(r->predecessor);
    if (r->listener >= 0)
        close(r->listener);
    if (r->notices.fd >= 0)
        close(r->notices.fd);
}

/* One that has ended already need not know. */
static void notify(const struct restart *r, enum notice_kind kind)
{
    struct notice notice = { kind, r->is_adopted };
    if (r->predecessor < 0)
        return;
    ssize_t n = send(r->predecessor, &notice, sizeof(notice), MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)n;
}

/* The protocol of systemd's sd_notify(3): we are ready, and the service's main process. */
static void tell_manager(void)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    char text[PLACE_MAX];
    if (!path || !path[0] || strlen(path) >= sizeof(address.sun_path))
        return;
    memcpy(address.sun_path, path, strlen(path));
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    if (path[0] == '@')
        address.sun_path[0] = '\0';
    int written = snprintf(text, sizeof(text), "READY=1\nMAINPID=%d\n", (int)getpid());
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || sendto(fd, text, (size_t)written, MSG_NOSIGNAL, (struct sockaddr *)&address, len) < 0)
        log_warn(NULL, "service_manager_silent", LOG_TEXT("socket", path));
    if (fd >= 0)
        close(fd);
}

void restart_announce(struct server *s)
{
    notify(&s->restart, NOTICE_SERVING);
    tell_manager();
}

void restart_stop(struct server *s)
{
    struct restart *r = &s->restart;
    notify(r, NOTICE_GOODBYE);
    if (r->successor && !r->is_retiring)
        kill(r->successor, SIGTERM);
}

/* ---- the process after us: it serves, and we retire ---- */

static void retire_one(struct http_server *server)
{
    http_server_retire(server, true);
}

static void resume_one(struct http_server *server)
{
    http_server_retire(server, false);
}

static void retire(struct task *t, void *arg)
{
    struct server *s = arg;
    const struct restart *r = &s->restart;
    task_set_stage(t, "waiting for the last connection");
    while (r->is_retiring && server_is_needed(s)) {
        if (task_sleep(t, POLL_MS) != OK)
            return;
    }
    if (r->is_retiring)
        server_stop_loops(s);
}

static void begin_to_retire(struct server *s, bool is_adopted)
{
    acceptor_stop(s->acceptor);
    if (!is_adopted)
        acceptor_shut(s->acceptor);
    s->restart.is_retiring = true;
    notify(&s->restart, NOTICE_GOODBYE); /* whoever retired for us need not come back for us */
    server_tell(s, retire_one);
    log_info(NULL, "retiring", LOG_INT("successor", s->restart.successor),
             LOG_INT("connections", server_connections(s)));
    task_spawn(s->loops[0], "retire", retire, s);
}

/* ---- the process after us: it has failed ---- */

static void reap(struct task *t, void *arg)
{
    struct server *s = arg;
    struct restart *r = &s->restart;
    int status = 0;
    pid_t reaped;
    while ((reaped = waitpid(r->successor, &status, WNOHANG)) == 0) {
        if (task_sleep(t, POLL_MS) != OK)
            return;
    }
    log_error(NULL, "restart_failed", LOG_INT("successor", r->successor),
              LOG_INT("exit_code", reaped > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1),
              LOG_INT("signal", reaped > 0 && WIFSIGNALED(status) ? WTERMSIG(status) : 0),
              LOG_TEXT("meaning", "this process goes on"));
    r->successor = 0;
}

static void lose_successor(struct server *s)
{
    struct restart *r = &s->restart;
    loop_unwatch(s->loops[0], &r->notices);
    close(r->notices.fd);
    r->notices.fd = -1;
    if (s->is_stopping || r->has_said_goodbye || acceptor_socket(s->acceptor) < 0)
        return;
    if (r->is_retiring) {
        r->is_retiring = false;
        server_tell(s, resume_one);
        acceptor_start(s->acceptor);
    }
    task_spawn(s->loops[0], "reap", reap, s);
}

static void take_notices(struct server *s)
{
    struct notice notice;
    ssize_t n;
    while ((n = recv(s->restart.notices.fd, &notice, sizeof(notice), MSG_DONTWAIT)) == sizeof(notice)) {
        if (notice.kind == NOTICE_SERVING && !s->is_stopping)
            begin_to_retire(s, notice.is_adopted);
        if (notice.kind == NOTICE_GOODBYE) {
            s->restart.has_said_goodbye = true;
            acceptor_shut(s->acceptor);
        }
    }
    if (n >= 0 || errno != EAGAIN)
        lose_successor(s);
}

static void on_notice(struct watch *w, uint32_t ready)
{
    (void)ready;
    take_notices(HZ_CONTAINER_OF(w, struct server, restart.notices));
}

/* ---- starting it ---- */

static bool give(int to, int listener, int ledger)
{
    struct notice notice = { NOTICE_GIVEN, 0 };
    struct iovec part = { &notice, sizeof(notice) };
    int fds[GIVEN_FDS] = { listener, ledger };
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(fds))];
    } control = { .head = { .cmsg_level = SOL_SOCKET,
                            .cmsg_type = SCM_RIGHTS,
                            .cmsg_len = CMSG_LEN(sizeof(fds)) } };
    struct msghdr message = { .msg_iov = &part,
                              .msg_iovlen = 1,
                              .msg_control = control.room,
                              .msg_controllen = sizeof(control.room) };
    memcpy(CMSG_DATA(&control.head), fds, sizeof(fds));
    return sendmsg(to, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof(notice);
}

/* Our environment, and where the new process finds its end of the sockets. */
static char **environment_with(char *place)
{
    size_t count = 0;
    while (environ[count])
        count++;
    char **all = mem_alloc((count + 2) * sizeof(*all));
    memcpy(all, environ, count * sizeof(*all));
    all[count] = place;
    all[count + 1] = NULL;
    return all;
}

/* Signals stay blocked in it until it reads them. Returns an errno. */
static int spawn(struct restart *r, int control)
{
    char place[PLACE_MAX];
    posix_spawn_file_actions_t actions;
    snprintf(place, sizeof(place), "%s=%d", variable, control);
    char **environment = environment_with(place);
    posix_spawn_file_actions_init(&actions);
    /* Onto itself: stays open over the exec. */
    posix_spawn_file_actions_adddup2(&actions, control, control);
    int failed = posix_spawn(&r->successor, r->program, &actions, NULL, r->argv, environment);
    posix_spawn_file_actions_destroy(&actions);
    mem_free(environment);
    if (failed)
        r->successor = 0;
    return failed;
}

/* Whatever it hangs on (a disk, a database), it may have our ledger, and no further restart can begin. But we
 * may be the one who stood still: what it has said meanwhile is heard first. */
static void end_if_late(struct task *t, void *arg)
{
    struct server *s = arg;
    const struct restart *r = &s->restart;
    pid_t successor = r->successor;
    int64_t limit_ms = s->config->server.restart_ms;
    task_set_stage(t, "waiting for the new process");
    if (task_sleep(t, limit_ms) != OK || r->successor != successor || r->notices.fd < 0)
        return;
    take_notices(s);
    if (r->is_retiring || r->notices.fd < 0)
        return;
    log_error(NULL, "restart_late", LOG_INT("successor", successor), LOG_INT("limit_ms", limit_ms));
    kill(successor, SIGKILL);
}

static void close_pair(const int pair[2])
{
    for (int i = 0; i < 2; i++) {
        if (pair[i] >= 0)
            close(pair[i]);
    }
}

static void expect(struct server *s, int control, int ledger)
{
    struct restart *r = &s->restart;
    r->notices = (struct watch) { .fd = control, .events = EPOLLIN | EPOLLRDHUP, .on_ready = on_notice };
    /* Fails only for want of kernel memory. */
    HZ_ASSERT(ledger_await_successor(s->ledger, s->loops[0], ledger) == OK);
    HZ_ASSERT(loop_watch(s->loops[0], &r->notices) == OK);
    task_spawn(s->loops[0], "restart limit", end_if_late, s);
}

void restart_begin(struct server *s)
{
    struct restart *r = &s->restart;
    int control[2] = { -1, -1 }, ledger[2] = { -1, -1 };
    int listener = acceptor_socket(s->acceptor);
    if (s->is_stopping || r->successor || listener < 0) {
        log_warn(NULL, "restart_refused", LOG_INT("successor", r->successor),
                 LOG_TEXT("reason", s->is_stopping ? "stopping" : "another process has taken over already"));
        return;
    }
    int failed;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) == 0 &&
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ledger) == 0 &&
        give(control[0], listener, ledger[1]))
        failed = spawn(r, control[1]);
    else
        failed = errno;
    if (!failed) {
        expect(s, control[0], ledger[0]);
        log_info(NULL, "restart_begun", LOG_INT("successor", r->successor), LOG_TEXT("program", r->program));
        control[0] = ledger[0] = -1;
    } else {
        log_error(NULL, "restart_failed", LOG_TEXT("program", r->program),
                  LOG_TEXT("reason", strerrordesc_np(failed)));
    }
    close_pair(control);
    close_pair(ledger);
}

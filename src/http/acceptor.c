#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/acceptor.h"

enum {
    BACKLOG = 4096,
    ACCEPTS_A_TURN = 256, /* as many as events: a flood shows as a wait of the loop */
    PAUSE_MS = 100,
    /* What a client may leave unread in the kernel, besides what is on its way: connections inherit
     * it. Otherwise one that pipelines and never reads gets megabytes of answers made for it. */
    UNSENT_BYTES = 65536,
    WARN_EVERY_MS = 1000,
};

struct target {
    struct acceptor_target to;
    atomic_size_t on_their_way; /* posted, not yet taken */
};

/* A connection on its way to the loop that will serve it. */
struct handover {
    struct post post;
    struct acceptor *acceptor;
    struct target *target;
    int fd;
    struct address peer;
};

struct acceptor {
    struct watch watch;
    struct loop *loop;
    struct timer timer; /* goes on accepting after a full turn or a pause */
    int spare_fd;       /* given up for a moment when the process has no descriptor left */
    int port;
    int64_t warned_ns;
    atomic_size_t holders; /* the owner, and what is on its way */
    atomic_bool is_destroyed;
    size_t count;
    struct target targets[];
};

static struct target *emptiest(struct acceptor *a)
{
    struct target *best = NULL;
    size_t fewest = SIZE_MAX;
    for (size_t i = 0; i < a->count; i++) {
        struct target *target = &a->targets[i];
        size_t n = http_server_connections(target->to.server) + atomic_load(&target->on_their_way);
        if (n < fewest) {
            fewest = n;
            best = target;
        }
    }
    return best;
}

static void release(struct acceptor *a)
{
    if (atomic_fetch_sub(&a->holders, 1) == 1)
        mem_free(a);
}

static void on_handover(struct post *post)
{
    struct handover *h = HZ_CONTAINER_OF(post, struct handover, post);
    /* A loop that is destroyed runs what is left in its mailbox; the server is gone by then. */
    if (atomic_load(&h->acceptor->is_destroyed))
        close(h->fd);
    else
        http_server_take(h->target->to.server, h->fd, &h->peer);
    atomic_fetch_sub(&h->target->on_their_way, 1);
    release(h->acceptor);
    mem_free(h);
}

static void hand_over(struct acceptor *a, int fd, const struct address *peer)
{
    struct target *target = emptiest(a);
    if (target->to.loop == a->loop) {
        http_server_take(target->to.server, fd, peer);
        return;
    }
    struct handover *h = MEM_NEW(struct handover);
    h->post.fn = on_handover;
    h->acceptor = a;
    h->target = target;
    h->fd = fd;
    h->peer = *peer;
    atomic_fetch_add(&a->holders, 1);
    atomic_fetch_add(&target->on_their_way, 1);
    loop_post(target->to.loop, &h->post);
}

static void warn(struct acceptor *a, int os_error)
{
    int64_t now_ns = loop_now_ns(a->loop);
    if (a->warned_ns && now_ns - a->warned_ns < WARN_EVERY_MS * NS_PER_MS)
        return;
    a->warned_ns = now_ns;
    log_warn(NULL, "accept_failed", LOG_TEXT("reason", strerrordesc_np(os_error)),
             LOG_TEXT("advice", os_error == EMFILE || os_error == ENFILE
                                    ? "raise the limit of open files (ulimit -n)"
                                    : "the machine is short of memory"));
}

/* Out of descriptors: with the spare one the waiting client is at least told, by a close. Returns
 * whether one was waiting; accept4 alone would not tell, it wants a descriptor first. */
static bool shed_one(struct acceptor *a)
{
    if (a->spare_fd >= 0)
        close(a->spare_fd);
    int fd = accept4(a->watch.fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
        close(fd);
    a->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return fd >= 0;
}

/* Returns errno when nothing was accepted. */
static int accept_one(struct acceptor *a)
{
    struct address peer = { .len = sizeof(peer.v6) };
    int fd = accept4(a->watch.fd, &peer.any, &peer.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return errno;
    hand_over(a, fd, &peer);
    return 0;
}

/* The edge does not come again for what is left in the queue, so a timer does. */
static void go_on_in(struct acceptor *a, int64_t ms)
{
    timer_set(a->loop, &a->timer, loop_now_ns(a->loop) + ms * NS_PER_MS);
}

static void accept_some(struct acceptor *a)
{
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        int os_error = accept_one(a);
        if (os_error == EAGAIN)
            return;
        if (os_error == EMFILE || os_error == ENFILE) {
            warn(a, os_error);
            if (shed_one(a))
                continue;
            /* Without the spare one nobody knows whether somebody waits: look again soon. */
            if (a->spare_fd < 0)
                go_on_in(a, PAUSE_MS);
            return;
        }
        if (os_error == ENOBUFS || os_error == ENOMEM) {
            warn(a, os_error);
            go_on_in(a, PAUSE_MS);
            return;
        }
        /* Anything else concerns that one connection, which is gone already. */
    }
    go_on_in(a, 0);
}

static void on_ready(struct watch *w, uint32_t ready)
{
    (void)ready;
    accept_some(HZ_CONTAINER_OF(w, struct acceptor, watch));
}

static void on_time(struct timer *timer)
{
    accept_some(HZ_CONTAINER_OF(timer, struct acceptor, timer));
}

static bool parse_host(const char *host, int port, struct address *out)
{
    struct str s = str_of(host);
    if (str_is(s, "localhost"))
        s = STR("127.0.0.1");
    if (s.len > 2 && s.at[0] == '[' && s.at[s.len - 1] == ']')
        s = str_make(s.at + 1, s.len - 2);
    return address_parse(s, port, out);
}

static enum err fail_listen(struct fail *fail, const struct address *address, int os_error)
{
    char text[ADDRESS_TEXT_MAX];
    address_format(address, text);
    const char *advice =
        os_error == EADDRINUSE      ? "; stop the program that uses it or choose another port"
        : os_error == EACCES        ? "; ports below 1024 need a privilege: choose a higher one"
        : os_error == EADDRNOTAVAIL ? "; this machine does not have that address"
                                    : "";
    return fail_set(fail, ERR_IO, "cannot listen on %s: %s%s", text, strerrordesc_np(os_error),
                    advice);
}

static enum err listen_on(struct address *address, int *out, struct fail *fail)
{
    int one = 1, unsent = UNSENT_BYTES;
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool is_bound = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
                    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent)) == 0 &&
                    bind(fd, &address->any, address->len) == 0 && listen(fd, BACKLOG) == 0;
    if (!is_bound) {
        enum err err = fail_listen(fail, address, errno);
        if (fd >= 0)
            close(fd);
        return err;
    }
    getsockname(fd, &address->any, &address->len);
    *out = fd;
    return OK;
}

static bool is_same_address(const struct address *wanted, const struct address *there)
{
    char a[ADDRESS_TEXT_MAX], b[ADDRESS_TEXT_MAX];
    address_format_host(wanted, a);
    address_format_host(there, b);
    return strcmp(a, b) == 0 &&
           (address_port(wanted) == 0 || address_port(wanted) == address_port(there));
}

static bool listens_at(int fd, struct address *address)
{
    struct address there = { .len = sizeof(there.v6) };
    bool is_there = fd >= 0 && getsockname(fd, &there.any, &there.len) == 0 &&
                    is_same_address(address, &there);
    if (is_there)
        *address = there;
    return is_there;
}

enum err acceptor_open(const char *host, int port, const struct acceptor_target *targets,
                       size_t count, struct acceptor **out, struct fail *fail)
{
    bool is_adopted;
    return acceptor_adopt(-1, host, port, targets, count, out, &is_adopted, fail);
}

enum err acceptor_adopt(int fd, const char *host, int port, const struct acceptor_target *targets,
                        size_t count, struct acceptor **out, bool *is_adopted, struct fail *fail)
{
    HZ_ASSERT(count > 0);
    struct address address;
    bool is_valid = parse_host(host, port, &address);
    *is_adopted = is_valid && listens_at(fd, &address);
    if (fd >= 0 && !*is_adopted)
        close(fd);
    if (!is_valid)
        return fail_set(fail, ERR_IO,
                        "cannot listen on '%.60s' port %d: give an IP address such as 127.0.0.1, "
                        "0.0.0.0 or ::, and a port from 0 to 65535",
                        host, port);
    enum err err = *is_adopted ? OK : listen_on(&address, &fd, fail);
    if (err)
        return err;
    struct acceptor *a = mem_zalloc(sizeof(*a) + count * sizeof(a->targets[0]));
    a->watch = (struct watch) { .fd = fd, .events = EPOLLIN | EPOLLET, .on_ready = on_ready };
    a->loop = targets[0].loop;
    a->timer.on_time = on_time;
    a->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    a->port = address_port(&address);
    a->holders = 1;
    a->count = count;
    for (size_t i = 0; i < count; i++)
        a->targets[i].to = targets[i];
    *out = a;
    return OK;
}

void acceptor_start(struct acceptor *a)
{
    /* Adding fails only for want of kernel memory: then nobody would ever be served. */
    HZ_ASSERT(loop_watch(a->loop, &a->watch) == OK);
}

void acceptor_stop(struct acceptor *a)
{
    loop_unwatch(a->loop, &a->watch);
    timer_cancel(a->loop, &a->timer);
}

void acceptor_shut(struct acceptor *a)
{
    if (a->watch.fd >= 0)
        close(a->watch.fd);
    a->watch.fd = -1;
}

int acceptor_socket(const struct acceptor *a)
{
    return a->watch.fd;
}

int acceptor_port(const struct acceptor *a)
{
    return a->port;
}

void acceptor_destroy(struct acceptor *a)
{
    if (!a)
        return;
    acceptor_stop(a);
    acceptor_shut(a);
    if (a->spare_fd >= 0)
        close(a->spare_fd);
    atomic_store(&a->is_destroyed, true);
    release(a);
}

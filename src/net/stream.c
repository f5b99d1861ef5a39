#include "net/stream.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/stream_private.h"
#include "net/tls.h"

/* A connection that never runs dry lets the others have a turn after this. */
enum { BURST_BYTES = 256 * 1024 };

static void on_ready(struct watch *w, uint32_t ready)
{
    struct stream *s = HZ_CONTAINER_OF(w, struct stream, watch);
    bool is_gone = (ready & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    bool is_first_gone = is_gone && !s->is_peer_gone;

    s->is_peer_gone |= is_gone;
    s->can_read |= is_gone || (ready & EPOLLIN);
    s->can_write |= (ready & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0;
    if (s->ssl) {
        /* TLS may want to write in order to read, and the other way round. */
        s->can_read = true;
        s->can_write = true;
    }
    if (s->reader && s->can_read)
        task_wake(s->reader, OK);
    if (s->writer && s->can_write)
        task_wake(s->writer, OK);

    if (is_first_gone && s->on_gone)
        s->on_gone(s);
    else if ((ready & EPOLLIN) && !s->reader && s->on_idle_input)
        s->on_idle_input(s);
}

static enum err watch_fd(struct stream *s, struct loop *l, int fd)
{
    int one = 1;
    /* Fails for what is not TCP; then there is nothing to switch off. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    *s = (struct stream) { .loop = l, .is_open = true };
    s->watch = (struct watch) { .fd = fd,
                                .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                .on_ready = on_ready };
    enum err err = loop_watch(l, &s->watch);
    if (err) {
        close(fd);
        *s = (struct stream) { 0 };
    }
    return err;
}

enum err stream_open_fd(struct stream *s, struct loop *l, int fd)
{
    enum err err = watch_fd(s, l, fd);
    s->can_write = !err;
    return err;
}

static enum err wait_edge(struct task *t, struct stream *s, struct task **place,
                          int64_t deadline_ns)
{
    HZ_ASSERT(!*place);
    s->burst_bytes = 0;
    *place = t;
    enum err err = task_wait(t, deadline_ns);
    *place = NULL;
    return err;
}

enum err stream_wait_read(struct task *t, struct stream *s, int64_t deadline_ns)
{
    enum err err = OK;
    while (!err && !s->can_read)
        err = wait_edge(t, s, &s->reader, deadline_ns);
    return err;
}

enum err stream_wait_write(struct task *t, struct stream *s, int64_t deadline_ns)
{
    enum err err = OK;
    while (!err && !s->can_write)
        err = wait_edge(t, s, &s->writer, deadline_ns);
    return err;
}

static enum err finish_connect(struct task *t, struct stream *s, int64_t deadline_ns)
{
    enum err err = stream_wait_write(t, s, deadline_ns);
    if (err)
        return err;
    int failure = 0;
    socklen_t size = sizeof(failure);
    getsockopt(s->watch.fd, SOL_SOCKET, SO_ERROR, &failure, &size);
    s->os_error = failure;
    return failure ? ERR_IO : OK;
}

enum err stream_connect(struct task *t, struct stream *s, const struct address *address,
                        int64_t deadline_ns)
{
    *s = (struct stream) { 0 };
    int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    int fd = socket(address->any.sa_family, type, 0);
    if (fd < 0 || (connect(fd, &address->any, address->len) != 0 && errno != EINPROGRESS)) {
        s->os_error = errno;
        if (fd >= 0)
            close(fd);
        return ERR_IO;
    }
    /* Not before connect: an unconnected socket would report a hang-up. */
    enum err err = watch_fd(s, task_loop(t), fd);
    if (!err)
        err = finish_connect(t, s, deadline_ns);
    if (err) {
        int os_error = s->os_error;
        stream_close(s);
        s->os_error = os_error;
    }
    return err;
}

void stream_close(struct stream *s)
{
    if (!s || !s->is_open)
        return;
    HZ_ASSERT(!s->reader && !s->writer);
    if (s->ssl) {
        tls_goodbye(s);
        SSL_free(s->ssl);
    }
    loop_unwatch(s->loop, &s->watch);
    close(s->watch.fd);
    *s = (struct stream) { 0 };
}

bool stream_has_lost_peer(const struct stream *s)
{
    struct pollfd ask = { .fd = s->watch.fd, .events = POLLRDHUP };
    return s->is_peer_gone || poll(&ask, 1, 0) > 0;
}

void stream_finish(struct stream *s)
{
    if (s->ssl)
        tls_goodbye(s);
    shutdown(s->watch.fd, SHUT_WR);
}

void stream_error_text(const struct stream *s, enum err err, char *out, size_t size)
{
    if (err == ERR_TLS) {
        bool is_client = s->ssl && !SSL_is_server(s->ssl);
        long verdict = is_client ? SSL_get_verify_result(s->ssl) : X509_V_OK;
        if (verdict == X509_V_OK)
            tls_error_text(out, size);
        else
            snprintf(out, size, "certificate: %s", X509_verify_cert_error_string(verdict));
        return;
    }
    const char *text = err == ERR_IO ? strerrordesc_np(s->os_error) : NULL;
    snprintf(out, size, "%s", text && s->os_error ? text : err_info(err)->text);
}

static enum err plain_try_read(struct stream *s, char *out, size_t size, size_t *got)
{
    ssize_t n;
    do {
        n = recv(s->watch.fd, out, size, 0);
    } while (n < 0 && errno == EINTR);
    if (n > 0) {
        *got = (size_t)n;
        /* Less than asked: drained. What comes later brings an edge, except for an end that
         * was announced already. */
        if (*got < size && !s->is_peer_gone)
            s->can_read = false;
        return OK;
    }
    if (n == 0)
        return ERR_CLOSED;
    if (errno == EAGAIN) {
        s->can_read = false;
        return ERR_AGAIN;
    }
    s->os_error = errno;
    return ERR_IO;
}

enum err stream_try_read(struct stream *s, char *out, size_t size, size_t *got)
{
    HZ_ASSERT(s->is_open && size > 0);
    *got = 0;
    if (!s->can_read)
        return ERR_AGAIN;
    enum err err = s->ssl ? tls_try_read(s, out, size, got) : plain_try_read(s, out, size, got);
    s->burst_bytes += *got;
    return err;
}

enum err stream_read(struct task *t, struct stream *s, char *out, size_t size, size_t *got,
                     int64_t deadline_ns)
{
    if (s->burst_bytes >= BURST_BYTES) {
        s->burst_bytes = 0;
        enum err err = task_yield(t);
        if (err)
            return err;
    }
    for (;;) {
        enum err err = stream_try_read(s, out, size, got);
        if (err != ERR_AGAIN)
            return err;
        err = stream_wait_read(t, s, deadline_ns);
        if (err)
            return err;
    }
}

static enum err plain_try_write(struct stream *s, struct iovec *parts, int count, size_t *sent)
{
    struct msghdr message = { .msg_iov = parts, .msg_iovlen = (size_t)count };
    ssize_t n;
    do {
        n = sendmsg(s->watch.fd, &message, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n >= 0) {
        *sent = (size_t)n;
        return OK;
    }
    if (errno == EAGAIN) {
        s->can_write = false;
        return ERR_AGAIN;
    }
    s->os_error = errno;
    return ERR_IO;
}

/* Drops what was sent and leading empty parts. */
static void advance(struct iovec **parts, int *count, size_t sent)
{
    while (*count > 0 && sent >= (*parts)->iov_len) {
        sent -= (*parts)->iov_len;
        (*parts)++;
        (*count)--;
    }
    if (*count > 0) {
        (*parts)->iov_base = (char *)(*parts)->iov_base + sent;
        (*parts)->iov_len -= sent;
    }
}

static bool is_in_scratch(const struct stream *s, const struct iovec *part)
{
    const char *scratch = loop_scratch(s->loop);
    const char *at = part->iov_base;
    return at >= scratch && at < scratch + LOOP_SCRATCH_BYTES;
}

/* The scratch is anybody's during a wait. Returns the copy to free, or NULL. */
static char *leave_scratch(const struct stream *s, struct iovec *parts, int count)
{
    size_t size = 0;
    for (int i = 0; i < count; i++)
        size += is_in_scratch(s, &parts[i]) ? parts[i].iov_len : 0;
    if (size == 0)
        return NULL;
    char *copy = mem_alloc(size);
    char *at = copy;
    for (int i = 0; i < count; i++) {
        if (!is_in_scratch(s, &parts[i]))
            continue;
        memcpy(at, parts[i].iov_base, parts[i].iov_len);
        parts[i].iov_base = at;
        at += parts[i].iov_len;
    }
    return copy;
}

enum err stream_writev(struct task *t, struct stream *s, struct iovec *parts, int count,
                       int64_t deadline_ns)
{
    HZ_ASSERT(s->is_open);
    char *kept = NULL;
    enum err err = OK;
    advance(&parts, &count, 0);
    while (count > 0) {
        size_t sent = 0;
        err = !s->can_write ? ERR_AGAIN
              : s->ssl      ? tls_try_write(s, parts, count, &sent)
                            : plain_try_write(s, parts, count, &sent);
        advance(&parts, &count, sent);
        if (err == ERR_AGAIN) {
            if (!kept)
                kept = leave_scratch(s, parts, count);
            err = stream_wait_write(t, s, deadline_ns);
        }
        if (err)
            break;
    }
    mem_free(kept);
    return err;
}

enum err stream_write(struct task *t, struct stream *s, struct str data, int64_t deadline_ns)
{
    struct iovec part = { .iov_base = (void *)(uintptr_t)data.at, .iov_len = data.len };
    return stream_writev(t, s, &part, 1, deadline_ns);
}

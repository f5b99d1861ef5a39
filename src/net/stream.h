#ifndef HZ_NET_STREAM_H
#define HZ_NET_STREAM_H
/*
 * stream - a byte stream over TCP, plain or TLS (OpenSSL 3), for one loop.
 *
 * Owner:    embedded by its owner; stream_close closes. While it is open it is watched by its loop
 *           (edge-triggered, once), so no wait costs an epoll_ctl.
 * Thread:   the loop thread.
 * Suspends: functions that take a task. One reader and one writer at a time.
 * Errors:   ERR_CLOSED (orderly end), ERR_IO (reset), ERR_TLS, ERR_TIMEOUT, stops.
 */

#include <openssl/ssl.h>
#include <sys/uio.h>

#include "base/str.h"
#include "loop/task.h"
#include "net/address.h"

struct stream {
    struct watch watch;
    struct loop *loop;
    SSL *ssl;            /* NULL: plain */
    struct task *reader; /* who waits for input, writability */
    struct task *writer;
    bool can_read; /* no EAGAIN since the last edge */
    bool can_write;
    bool is_open;
    bool is_peer_gone;  /* RDHUP, HUP or ERR was seen */
    bool is_broken;     /* TLS: nothing more may be said, not even a goodbye */
    int os_error;       /* errno of the last failure, or 0 */
    size_t burst_bytes; /* read since the others last had a turn */
    /* Set by the owner, each optional. on_idle_input: input came while nobody read; on_gone: the
     * peer closed its sending side or the connection broke. Both may close the stream. */
    void (*on_idle_input)(struct stream *s);
    void (*on_gone)(struct stream *s);
};

/* Takes a connected or accepted descriptor (TCP_NODELAY is set here); it must be non-blocking. On
 * failure the descriptor is closed. */
enum err stream_open_fd(struct stream *s, struct loop *l, int fd) HZ_MUST_USE;
enum err stream_connect(struct task *t, struct stream *s, const struct address *address,
                        int64_t deadline_ns) HZ_MUST_USE;
/* Nobody may be waiting in it. Accepts a zeroed or closed stream. */
void stream_close(struct stream *s);
/* Has the peer closed its sending side? Asks the kernel: the loop may not have heard of it yet. */
bool stream_has_lost_peer(const struct stream *s);
/* Says that nothing more will be written (close_notify, FIN); reading goes on. Never waits. */
void stream_finish(struct stream *s);
/* Why the last call failed with `err`, for people. At once, before the next wait. */
void stream_error_text(const struct stream *s, enum err err, char *out, size_t size);

/* Server side: ctx from tls_server_context. Client side: checks certificate and host name. The
 * application data of the SSL is the stream. After a failure only stream_error_text and
 * stream_close may follow. */
enum err stream_tls_accept(struct task *t, struct stream *s, SSL_CTX *ctx,
                           int64_t deadline_ns) HZ_MUST_USE;
enum err stream_tls_connect(struct task *t, struct stream *s, SSL_CTX *ctx, const char *host,
                            SSL_SESSION *resume, int64_t deadline_ns) HZ_MUST_USE;

/* At least one byte, or an error; ERR_CLOSED at the orderly end. */
enum err stream_read(struct task *t, struct stream *s, char *out, size_t size, size_t *got,
                     int64_t deadline_ns) HZ_MUST_USE;
/* Without waiting: ERR_AGAIN when there is nothing. */
enum err stream_try_read(struct stream *s, char *out, size_t size, size_t *got) HZ_MUST_USE;
/* All of it. What lies in the loop's scratch is copied before a wait, here and in stream_writev. */
enum err stream_write(struct task *t, struct stream *s, struct str data,
                      int64_t deadline_ns) HZ_MUST_USE;
/* All of it; the vector is changed. */
enum err stream_writev(struct task *t, struct stream *s, struct iovec *parts, int count,
                       int64_t deadline_ns) HZ_MUST_USE;

#endif

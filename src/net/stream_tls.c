#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/mem.h"
#include "base/str.h"
#include "net/stream_private.h"

/* Plain text of one record. */
enum { RECORD_BYTES = 16384 };

/* What an OpenSSL call that did not succeed means. errno is read before anything else. */
static enum err classify(struct stream *s, int result)
{
    int os_error = errno;
    switch (SSL_get_error(s->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        s->can_read = false;
        /* OpenSSL keeps 16 KiB to write with where a read turned out to be a message of its own,
         * such as a session ticket; many at once would hold them for a whole handshake. */
        SSL_free_buffers(s->ssl);
        return ERR_AGAIN;
    case SSL_ERROR_WANT_WRITE: s->can_write = false; return ERR_AGAIN;
    case SSL_ERROR_ZERO_RETURN: return ERR_CLOSED;
    case SSL_ERROR_SYSCALL:
        s->is_broken = true;
        s->os_error = os_error;
        return ERR_IO;
    default:
        s->is_broken = true;
        /* An end without close_notify may be somebody's cut: not an orderly end. */
        if (ERR_GET_REASON(ERR_peek_error()) != SSL_R_UNEXPECTED_EOF_WHILE_READING)
            return ERR_TLS;
        s->os_error = ECONNRESET;
        return ERR_IO;
    }
}

enum err tls_try_read(struct stream *s, char *out, size_t size, size_t *got)
{
    if (s->is_broken)
        return ERR_IO;
    ERR_clear_error();
    errno = 0;
    int n = SSL_read(s->ssl, out, (int)HZ_MIN(size, (size_t)INT32_MAX));
    if (n <= 0) {
        enum err err = classify(s, n);
        /* Nothing to read before the write went through: wait for any edge. */
        if (err == ERR_AGAIN)
            s->can_read = false;
        return err;
    }
    *got = (size_t)n;
    return OK;
}

enum err tls_try_write(struct stream *s, const struct iovec *parts, int count, size_t *sent)
{
    /* Only between two lines of this function; a try after ERR_AGAIN gathers the same bytes. */
    static _Thread_local char gather[RECORD_BYTES];
    if (s->is_broken)
        return ERR_IO;
    const char *at = parts[0].iov_base;
    size_t len = HZ_MIN(parts[0].iov_len, (size_t)RECORD_BYTES);
    if (count > 1 && len < RECORD_BYTES) {
        len = 0;
        for (int i = 0; i < count && len < RECORD_BYTES; i++) {
            size_t n = HZ_MIN(parts[i].iov_len, RECORD_BYTES - len);
            if (n)
                memcpy(gather + len, parts[i].iov_base, n);
            len += n;
        }
        at = gather;
    }
    ERR_clear_error();
    errno = 0;
    int n = SSL_write(s->ssl, at, (int)len);
    if (n <= 0) {
        enum err err = classify(s, n);
        if (err == ERR_AGAIN)
            s->can_write = false;
        return err;
    }
    *sent = (size_t)n;
    return OK;
}

void tls_goodbye(struct stream *s)
{
    if (s->is_broken || SSL_in_init(s->ssl))
        return;
    ERR_clear_error();
    SSL_shutdown(s->ssl);
    ERR_clear_error();
}

/* A handshake needs much memory for a moment, on the stack and in the heap, where many at once leave
 * holes that nobody fills. The time of a trim is small beside that of so many handshakes. */
static void clean_up(struct task *t)
{
    enum { HANDSHAKES_A_TRIM = 256 };
    static _Thread_local unsigned count;
    task_trim_stack(t);
    if (++count % HANDSHAKES_A_TRIM == 0)
        mem_trim();
}

static enum err handshake(struct task *t, struct stream *s, int64_t deadline_ns)
{
    for (;;) {
        ERR_clear_error();
        errno = 0;
        int n = SSL_do_handshake(s->ssl);
        if (n == 1) {
            s->can_read = true;
            clean_up(t);
            return OK;
        }
        enum err err = classify(s, n);
        if (err != ERR_AGAIN) {
            s->is_broken = true;
            return err == ERR_CLOSED ? ERR_IO : err;
        }
        err = s->can_read ? stream_wait_write(t, s, deadline_ns)
                          : stream_wait_read(t, s, deadline_ns);
        if (err)
            return err;
    }
}

static enum err start(struct stream *s, SSL_CTX *ctx)
{
    HZ_ASSERT(s->is_open && !s->ssl);
    ERR_clear_error();
    s->ssl = SSL_new(ctx);
    HZ_ASSERT(s->ssl);
    SSL_set_app_data(s->ssl, s);
    return SSL_set_fd(s->ssl, s->watch.fd) == 1 ? OK : ERR_TLS;
}

enum err stream_tls_accept(struct task *t, struct stream *s, SSL_CTX *ctx, int64_t deadline_ns)
{
    enum err err = start(s, ctx);
    if (err)
        return err;
    SSL_set_accept_state(s->ssl);
    return handshake(t, s, deadline_ns);
}

/* The certificate must name the host; a literal address goes into no SNI and matches exactly. */
static bool expect_host(SSL *ssl, const char *host)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    bool is_literal = inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    if (is_literal)
        return X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1;
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_host(param, host, 0) == 1 &&
           SSL_set_tlsext_host_name(ssl, host) == 1;
}

enum err stream_tls_connect(struct task *t, struct stream *s, SSL_CTX *ctx, const char *host,
                            SSL_SESSION *resume, int64_t deadline_ns)
{
    enum err err = start(s, ctx);
    if (err)
        return err;
    SSL_set_connect_state(s->ssl);
    if (!expect_host(s->ssl, host))
        return ERR_TLS;
    if (resume)
        SSL_set_session(s->ssl, resume);
    return handshake(t, s, deadline_ns);
}

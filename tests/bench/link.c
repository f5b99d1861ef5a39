#include "link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

bool link_address(const char *text, struct sockaddr_in *out)
{
    char host[16];
    unsigned port = 0;
    char rest;
    memset(out, 0, sizeof(*out));
    if (sscanf(text, "%15[0-9.]:%5u%c", host, &port, &rest) != 2 || port == 0 || port > 65535)
        return false;
    out->sin_family = AF_INET;
    out->sin_port = htons((uint16_t)port);
    return inet_pton(AF_INET, host, &out->sin_addr) == 1 &&
           ntohl(out->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

SSL_CTX *link_client_context(void)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return tls;
}

SSL_CTX *link_server_context(const char *certificate, const char *key)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (SSL_CTX_use_certificate_chain_file(tls, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1) {
        ERR_print_errors_fp(stderr);
        exit(2);
    }
    return tls;
}

static bool begin(struct link *l, int fd, SSL_CTX *tls)
{
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    *l = (struct link) { .fd = fd, .ssl = tls ? SSL_new(tls) : NULL };
    return !tls || (l->ssl && SSL_set_fd(l->ssl, fd) == 1);
}

bool link_connect(struct link *l, const struct sockaddr_in *to, SSL_CTX *tls)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    *l = (struct link) { .fd = -1 };
    if (fd < 0)
        return false;
    bool is_begun = connect(fd, (const struct sockaddr *)to, sizeof(*to)) == 0 || errno == EINPROGRESS;
    if (!is_begun) {
        close(fd);
        return false;
    }
    if (!begin(l, fd, tls)) {
        link_close(l);
        return false;
    }
    if (l->ssl)
        SSL_set_connect_state(l->ssl);
    return true;
}

bool link_accept(struct link *l, int fd, SSL_CTX *tls)
{
    if (!begin(l, fd, tls)) {
        link_close(l);
        return false;
    }
    if (l->ssl)
        SSL_set_accept_state(l->ssl);
    return true;
}

static int verdict(struct link *l, int result)
{
    int why = SSL_get_error(l->ssl, result);
    ERR_clear_error();
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
        return LINK_AGAIN;
    return why == SSL_ERROR_ZERO_RETURN ? LINK_END : LINK_BROKEN;
}

int link_handshake(struct link *l)
{
    int failed = 0;
    socklen_t size = sizeof(failed);
    if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &failed, &size) != 0 || failed)
        return LINK_BROKEN;
    if (!l->ssl)
        return 1;
    int result = SSL_do_handshake(l->ssl);
    return result == 1 ? 1 : verdict(l, result) == LINK_AGAIN ? LINK_AGAIN : LINK_BROKEN;
}

ssize_t link_read(struct link *l, void *to, size_t size)
{
    if (l->ssl) {
        int n = SSL_read(l->ssl, to, (int)size);
        return n > 0 ? n : verdict(l, n);
    }
    ssize_t n = recv(l->fd, to, size, 0);
    return n >= 0 ? n : errno == EAGAIN ? LINK_AGAIN : LINK_BROKEN;
}

ssize_t link_write(struct link *l, const void *from, size_t len)
{
    if (l->ssl) {
        int n = SSL_write(l->ssl, from, (int)len);
        return n > 0 ? n : verdict(l, n) == LINK_AGAIN ? LINK_AGAIN : LINK_BROKEN;
    }
    ssize_t n = send(l->fd, from, len, MSG_NOSIGNAL);
    return n >= 0 ? n : errno == EAGAIN ? LINK_AGAIN : LINK_BROKEN;
}

void link_close(struct link *l)
{
    SSL_free(l->ssl);
    if (l->fd >= 0)
        close(l->fd);
    *l = (struct link) { .fd = -1 };
}

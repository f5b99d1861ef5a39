#ifndef BENCH_LINK_H
#define BENCH_LINK_H
/*
 * link - one loopback connection, plain or TLS, that never blocks.
 *
 * The socket is meant for edge-triggered epoll: read and write until LINK_AGAIN. A TLS handshake
 * happens inside the first read or write, or in link_handshake.
 *
 * Certificates are not verified: only addresses of 127.0.0.0/8 are accepted.
 */
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { LINK_END = 0, LINK_AGAIN = -1, LINK_BROKEN = -2 };

struct link {
    int fd; /* -1: closed */
    SSL *ssl;
};

/* "127.0.0.1:8080". */
bool link_address(const char *text, struct sockaddr_in *out);
SSL_CTX *link_client_context(void);
SSL_CTX *link_server_context(const char *certificate, const char *key);

/* The context may be NULL: plain. The caller waits for writability. */
bool link_connect(struct link *l, const struct sockaddr_in *to, SSL_CTX *tls);
bool link_accept(struct link *l, int fd, SSL_CTX *tls);
/* 1: done, LINK_AGAIN or LINK_BROKEN. */
int link_handshake(struct link *l);
ssize_t link_read(struct link *l, void *to, size_t size);
ssize_t link_write(struct link *l, const void *from, size_t len);
void link_close(struct link *l);

int64_t now_ns(void);
#endif

#ifndef HZ_NET_TLS_H
#define HZ_NET_TLS_H
/*
 * tls - OpenSSL contexts: TLS 1.2 and 1.3, buffers released when idle, session tickets.
 *
 * OpenSSL writes with write(2), so making a context lets the process ignore SIGPIPE.
 */

#include <openssl/ssl.h>

#include "base/err.h"

/* PEM files. ERR_CONFIG with the reason in `fail`. */
enum err tls_server_context(const char *certificate, const char *key, SSL_CTX **out,
                            struct fail *fail) HZ_MUST_USE;
/* A server's successor goes on to take the tickets that `from` gave out. */
void tls_take_tickets(SSL_CTX *ctx, SSL_CTX *from);
/* ca_file NULL: the system's store. */
enum err tls_client_context(const char *ca_file, SSL_CTX **out, struct fail *fail) HZ_MUST_USE;
/* The first error in the thread's queue (the cause; later ones only pass it on) as text, and clears
 * the queue. */
void tls_error_text(char *out, size_t size);

#endif

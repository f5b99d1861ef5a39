#ifndef HZ_NET_TLS_CLIENTS_H
#define HZ_NET_TLS_CLIENTS_H
/*
 * tls_clients - mutual TLS: which clients a server lets in by their certificate.
 *
 * A client must show a certificate for clients of the authority. With a list of SPIFFE ids it must be
 * an X.509-SVID: no authority itself, with exactly one URI among its names, and that URI on the list.
 * Sessions are not resumed, so each connection's certificate is checked in full, its end date too.
 * A handshake that fails over this says why through stream_error_text.
 *
 * Source: SPIFFE, X509-SVID, sections 2, 4 and 5.
 */

#include <openssl/ssl.h>

#include "base/err.h"
#include "base/str.h"

/* `ca_file`: PEM; the ids are copied. ERR_CONFIG with the reason in `fail`. */
enum err tls_require_clients(SSL_CTX *ctx, const char *ca_file, const struct str *ids, size_t ids_len,
                             struct fail *fail) HZ_MUST_USE;
/* Whether this connection's context asks for that. */
bool tls_requires_client(const SSL *ssl);

#endif

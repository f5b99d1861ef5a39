#include "cli/certificates.h"

#include "base/mem.h"
#include "net/tls.h"
#include "net/tls_clients.h"

enum err certificates_read(const struct config *config, SSL_CTX **out, struct fail *fail)
{
    *out = NULL;
    if (config->server.tls_certificate.len == 0)
        return OK;
    char *certificate = str_dup(config->server.tls_certificate), *key = str_dup(config->server.tls_key);
    char *client_ca = str_dup(config->server.tls_client_ca);
    SSL_CTX *tls;
    enum err err = tls_server_context(certificate, key, &tls, fail);
    if (!err && client_ca[0])
        err = tls_require_clients(tls, client_ca, config->server.tls_client_ids,
                                  config->server.tls_client_ids_len, fail);
    if (err)
        SSL_CTX_free(tls);
    else
        *out = tls;
    mem_free(certificate);
    mem_free(key);
    mem_free(client_ca);
    return err;
}

bool certificates_are_same(const SSL_CTX *a, const SSL_CTX *b)
{
    const X509 *one = a ? SSL_CTX_get0_certificate(a) : NULL;
    const X509 *other = b ? SSL_CTX_get0_certificate(b) : NULL;
    return one && other ? X509_cmp(one, other) == 0 : one == other;
}

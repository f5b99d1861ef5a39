#include "net/tls.h"

#include <openssl/err.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

enum { TICKET_KEYS_BYTES_MAX = 128 };

static const unsigned char http11_only[] = { 8, 'h', 't', 't', 'p', '/', '1', '.', '1' };

void tls_error_text(char *out, size_t size)
{
    const char *own = NULL;
    unsigned long code = ERR_peek_error_all(NULL, NULL, NULL, &own, NULL);
    const char *reason = ERR_GET_LIB(code) == ERR_LIB_USER ? own
                         : ERR_SYSTEM_ERROR(code)          ? strerrordesc_np(ERR_GET_REASON(code))
                                                           : ERR_reason_error_string(code);
    snprintf(out, size, "%s", reason ? reason : "no reason given");
    ERR_clear_error();
}

static enum err fail_tls(struct fail *fail, const char *what, const char *file)
{
    char reason[160];
    tls_error_text(reason, sizeof(reason));
    return fail_set(fail, ERR_CONFIG, "%s '%.120s': %s", what, file, reason);
}

/* A key with a pass phrase is refused; OpenSSL would ask for it on the terminal. */
static int no_passphrase(char *out, int size, int is_writing, void *arg)
{
    (void)out, (void)size, (void)is_writing, (void)arg;
    return 0;
}

/* For TLS 1.2: forward secrecy and authenticated encryption only; 1.3 has nothing else. */
static const char tls12_ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20";

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                           const unsigned char *offered, unsigned int offered_len, void *arg)
{
    (void)ssl, (void)arg;
    unsigned char *chosen = NULL;
    if (SSL_select_next_proto(&chosen, out_len, http11_only, sizeof(http11_only), offered,
                              offered_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *context_new(const SSL_METHOD *method)
{
    ERR_clear_error();
    SSL_CTX *ctx = SSL_CTX_new(method);
    HZ_ASSERT(ctx);
    signal(SIGPIPE, SIG_IGN);
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return ctx;
}

enum err tls_server_context(const char *certificate, const char *key, SSL_CTX **out,
                            struct fail *fail)
{
    enum err err = OK;
    SSL_CTX *ctx = context_new(TLS_server_method());
    SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
    /* Tickets carry the session, so the server keeps nothing; one a handshake is enough. */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ctx, 1);
    SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
    HZ_ASSERT(SSL_CTX_set_cipher_list(ctx, tls12_ciphers) == 1);

    if (SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1)
        err = fail_tls(fail, "cannot use the certificate file", certificate);
    else if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
        err = fail_tls(fail, "cannot use the key file", key);
    else if (SSL_CTX_check_private_key(ctx) != 1)
        err = fail_tls(fail, "the certificate does not belong to the key file", key);
    if (err) {
        SSL_CTX_free(ctx);
        ctx = NULL;
    }
    *out = ctx;
    return err;
}

void tls_take_tickets(SSL_CTX *ctx, SSL_CTX *from)
{
    unsigned char keys[TICKET_KEYS_BYTES_MAX];
    long len = SSL_CTX_get_tlsext_ticket_keys(from, NULL, 0);
    HZ_ASSERT(len > 0 && (size_t)len <= sizeof(keys));
    SSL_CTX_get_tlsext_ticket_keys(from, keys, len);
    SSL_CTX_set_tlsext_ticket_keys(ctx, keys, len);
    mem_wipe(keys, sizeof(keys));
}

enum err tls_client_context(const char *ca_file, SSL_CTX **out, struct fail *fail)
{
    enum err err = OK;
    SSL_CTX *ctx = context_new(TLS_client_method());
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    /* Who opens connections keeps their sessions (SSL_CTX_sess_set_new_cb), by origin. */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);

    if (ca_file && SSL_CTX_load_verify_file(ctx, ca_file) != 1)
        err = fail_tls(fail, "cannot use the CA file", ca_file);
    else if (!ca_file && SSL_CTX_set_default_verify_paths(ctx) != 1)
        err = fail_tls(fail, "cannot use the certificate store", "of the system");
    if (err) {
        SSL_CTX_free(ctx);
        ctx = NULL;
    }
    *out = ctx;
    return err;
}

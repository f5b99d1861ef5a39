#include "net/tls_clients.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>

#include "base/mem.h"
#include "net/tls.h"

/* Hangs on the context, so that it lives as long as the last connection made with it. */
struct allowed {
    size_t len;
    struct str ids[];
};

static int slot; /* of the context's extra data */
static pthread_once_t slot_once = PTHREAD_ONCE_INIT;

static void allowed_free(void *parent, void *ptr, CRYPTO_EX_DATA *data, int index, long argl, void *argp)
{
    (void)parent, (void)data, (void)index, (void)argl, (void)argp;
    mem_free(ptr);
}

static void slot_make(void)
{
    slot = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, allowed_free);
    HZ_ASSERT(slot >= 0);
}

/* The ids and their text in one piece. */
static struct allowed *allowed_create(const struct str *ids, size_t len)
{
    size_t bytes = sizeof(struct allowed) + len * sizeof(*ids);
    for (size_t i = 0; i < len; i++)
        bytes += ids[i].len;
    struct allowed *allowed = mem_alloc(bytes);
    allowed->len = len;
    char *at = (char *)&allowed->ids[len];
    for (size_t i = 0; i < len; i++) {
        memcpy(at, ids[i].at, ids[i].len);
        allowed->ids[i] = str_make(at, ids[i].len);
        at += ids[i].len;
    }
    return allowed;
}

static bool allowed_has(const struct allowed *allowed, struct str id)
{
    for (size_t i = 0; i < allowed->len; i++) {
        if (str_eq(allowed->ids[i], id))
            return true;
    }
    return false;
}

/* ---- a client's certificate ---- */

/* The first error of the queue is what people read (tls_error_text). */
#define REFUSE(...) ERR_raise_data(ERR_LIB_USER, ERR_R_PASSED_INVALID_ARGUMENT, __VA_ARGS__)

/* The one URI among the names; at = NULL when there is none, or more than one. It lives in `names`. */
static struct str only_uri(const GENERAL_NAMES *names)
{
    struct str uri = STR_NONE;
    int count = 0;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_URI)
            continue;
        count++;
        uri = str_make((const char *)ASN1_STRING_get0_data(name->d.ia5),
                       (size_t)ASN1_STRING_length(name->d.ia5));
    }
    return count == 1 ? uri : STR_NONE;
}

static bool is_allowed(const struct allowed *allowed, X509 *certificate)
{
    bool may_sign = X509_get_extension_flags(certificate) & EXFLAG_CA ||
                    (X509_get_extension_flags(certificate) & EXFLAG_KUSAGE &&
                     X509_get_key_usage(certificate) & (KU_KEY_CERT_SIGN | KU_CRL_SIGN));
    if (may_sign) {
        REFUSE("the client's certificate is one of an authority, not of a service");
        return false;
    }
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    struct str id = only_uri(names);
    bool is_good = id.at && allowed_has(allowed, id);
    if (!id.at)
        REFUSE("the client's certificate must carry exactly one URI, a SPIFFE id");
    else if (!is_good)
        REFUSE("the client's id '%.*s' is not on the list", (int)HZ_MIN(id.len, 200), id.at);
    GENERAL_NAMES_free(names);
    return is_good;
}

/* Once for each certificate of the chain, the client's own last. */
static int verify(int is_good, X509_STORE_CTX *store)
{
    if (!is_good) {
        REFUSE("the client's certificate: %s",
               X509_verify_cert_error_string(X509_STORE_CTX_get_error(store)));
        return 0;
    }
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    const struct allowed *allowed = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), slot);
    if (X509_STORE_CTX_get_error_depth(store) > 0 || allowed->len == 0 ||
        is_allowed(allowed, X509_STORE_CTX_get_current_cert(store)))
        return 1;
    X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
    return 0;
}

/* ---- the context ---- */

enum err tls_require_clients(SSL_CTX *ctx, const char *ca_file, const struct str *ids, size_t ids_len,
                             struct fail *fail)
{
    ERR_clear_error();
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(ca_file);
    if (!names || SSL_CTX_load_verify_file(ctx, ca_file) != 1) {
        char reason[160];
        tls_error_text(reason, sizeof(reason));
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return fail_set(fail, ERR_CONFIG, "cannot use the clients' CA file '%.120s': %s", ca_file, reason);
    }
    SSL_CTX_set_client_CA_list(ctx, names);
    pthread_once(&slot_once, slot_make);
    SSL_CTX_set_ex_data(ctx, slot, allowed_create(ids, ids_len));
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, verify);
    /* A resumed session would skip the check. */
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(ctx, 0);
    return OK;
}

bool tls_requires_client(const SSL *ssl)
{
    return SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER;
}

#ifndef HZ_CLI_CERTIFICATES_H
#define HZ_CLI_CERTIFICATES_H
/* certificates - what a configuration says of TLS, read from its files. Blocks. */

#include <openssl/ssl.h>

#include "config/config.h"

/* NULL where the configuration asks for none. ERR_CONFIG with the reason in `fail`. */
enum err certificates_read(const struct config *config, SSL_CTX **out, struct fail *fail) HZ_MUST_USE;
/* Whether both show the same certificate, or none. */
bool certificates_are_same(const SSL_CTX *a, const SSL_CTX *b);

#endif

#ifndef HZ_CLI_ADMIN_KEY_H
#define HZ_CLI_ADMIN_KEY_H
/*
 * admin_key - the key that a first start in development makes, kept in admin.key beside the database
 * (mode 0600) so that later starts can name it.
 */

#include "config/config.h"
#include "ledger/keys.h"

struct admin_key {
    char text[KEY_TEXT_LEN + 1]; /* empty: none */
    char path[512];
};

/* Reads the file; makes a new key if there is none or the store does not know it. */
enum err admin_key_ensure(const struct config *config, struct admin_key *out, struct fail *fail) HZ_MUST_USE;

#endif

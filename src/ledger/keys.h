#ifndef HZ_LEDGER_KEYS_H
#define HZ_LEDGER_KEYS_H
/*
 * keys - API keys and the accounts they belong to.
 *
 * hz_live_ + 8 characters of public id + 32 characters of secret (160 bits) + 6 of checksum
 * (the low 30 bits of a CRC-32 over the rest), all base 32 (RFC 4648 alphabet, lower case). Only
 * the SHA-256 of the whole key is stored; the key is shown once.
 *
 * Thread: key_table is loaded by a worker and read by loops (immutable, swapped by the gateway).
 */

#include "base/arena.h"
#include "base/buf.h"
#include "model/call.h"
#include "store/store.h"

enum { KEY_TEXT_LEN = 54, KEY_HASH_BYTES = 32, KEY_ID_LEN = 8 };

struct api_key {
    struct str id;      /* public part: what lists and logs show */
    struct str name;    /* what for; may be empty */
    struct str account; /* its account's name */
    enum tier tier;     /* of the account */
    unsigned scopes;
    int64_t created_ms;
    int64_t revoked_ms; /* 0 = valid */
    unsigned char hash[KEY_HASH_BYTES];
    uint32_t account_name, key_name; /* ledger name ids; set by the gateway */
};

/* Form and checksum only: a typo is told apart from a wrong key without touching the store. */
bool key_is_well_formed(struct str text);

struct key_request {
    struct str name, account;
    bool has_tier; /* sets the account's tier; an existing account keeps its own otherwise */
    enum tier tier;
    unsigned scopes;
};
/* `text` receives the key, KEY_TEXT_LEN characters and a NUL. Makes the account if it is new; an
 * empty account is "default". Names are limited by the caller (128). */
enum err key_create(struct store *s, const struct key_request *request,
                    char text[KEY_TEXT_LEN + 1]) HZ_MUST_USE;
/* ERR_NOT_FOUND. Revoking twice is fine. */
enum err key_revoke(struct store *s, struct str id) HZ_MUST_USE;

struct key_table {
    struct api_key *keys;
    size_t len;
    int64_t version; /* grows with each change of keys or accounts */
    struct arena arena;
    /* private: hash table over ids */
    uint32_t *slots;
    size_t slots_cap;
};
/* ERR_AGAIN when the stored version still equals known_version (nothing is loaded then; -1 loads
 * always). */
enum err key_table_load(struct store *s, int64_t known_version, struct key_table **out) HZ_MUST_USE;
void key_table_destroy(struct key_table *table);
/* The valid key of this text, compared in constant time; NULL when unknown or revoked. */
const struct api_key *key_table_find(const struct key_table *table, struct str text);

#endif

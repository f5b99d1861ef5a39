#include "ledger/keys.h"

#include "base/clock.h"
#include "base/mem.h"
#include "ledger/key_text.h"

enum { ID_TRIES = 4 };

static const struct str default_account = { "default", 7 };

static enum err change(struct store *s, enum statement id, const struct value *params, size_t count)
{
    return store_run(s, id, params, count, NULL, NULL);
}

static enum err account_make(struct store *s, const struct key_request *r, struct str account,
                             int64_t now_ms)
{
    const struct value add[] = { VAL_TEXT(account), VAL_INT(r->has_tier ? r->tier : TIER_STANDARD),
                                 VAL_INT(now_ms) };
    const struct value tier[] = { VAL_TEXT(account), VAL_INT(r->tier) };
    enum err err = change(s, SQL_ACCOUNT_ADD, add, HZ_LEN(add));
    if (!err && r->has_tier)
        err = change(s, SQL_ACCOUNT_SET_TIER, tier, HZ_LEN(tier));
    return err;
}

static enum err key_add(struct store *s, const struct key_request *r, const char *text)
{
    unsigned char hash[KEY_HASH_BYTES];
    struct str account = r->account.len ? r->account : default_account;
    int64_t now_ms = clock_wall_ms();
    key_text_hash(str_make(text, KEY_TEXT_LEN), hash);
    const struct value key[] = {
        VAL_TEXT(key_text_id(str_make(text, KEY_TEXT_LEN))),
        VAL_TEXT(account),
        VAL_TEXT(r->name.at ? r->name : STR("")),
        VAL_INT(r->scopes),
        VAL_BLOB(str_make((const char *)hash, sizeof(hash))),
        VAL_INT(now_ms),
    };
    enum err err = store_begin(s);
    if (err)
        return err;
    err = account_make(s, r, account, now_ms);
    if (!err)
        err = change(s, SQL_KEY_ADD, key, HZ_LEN(key));
    if (!err)
        err = change(s, SQL_KEY_CHANGED, NULL, 0);
    if (!err)
        return store_commit(s);
    store_rollback(s);
    return err;
}

enum err key_create(struct store *s, const struct key_request *request, char text[KEY_TEXT_LEN + 1])
{
    enum err err = ERR_EXISTS;
    /* The public id has 40 bits: among a million keys one in a million new ones exists already. */
    for (int i = 0; i < ID_TRIES && err == ERR_EXISTS; i++) {
        key_text_make(text);
        err = key_add(s, request, text);
    }
    if (err)
        mem_wipe(text, KEY_TEXT_LEN + 1);
    return err;
}

static enum err note_found(void *arg, const struct value *columns, size_t count)
{
    (void)columns;
    HZ_ASSERT(count == 1);
    *(bool *)arg = true;
    return OK;
}

enum err key_revoke(struct store *s, struct str id)
{
    const struct value params[] = { VAL_TEXT(id), VAL_INT(clock_wall_ms()) };
    bool is_found = false;
    enum err err = store_begin(s);
    if (err)
        return err;
    err = store_run(s, SQL_KEY_FIND, params, 1, note_found, &is_found);
    if (!err && !is_found)
        err = ERR_NOT_FOUND;
    if (!err)
        err = change(s, SQL_KEY_REVOKE, params, HZ_LEN(params));
    if (!err)
        err = change(s, SQL_KEY_CHANGED, NULL, 0);
    if (!err)
        return store_commit(s);
    store_rollback(s);
    return err;
}

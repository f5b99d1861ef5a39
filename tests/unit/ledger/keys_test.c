#include "database.h"

#include "ledger/keys.h"

static struct store *open_store(void)
{
    struct store_options options = { .url = str_of(db.url) };
    struct fail fail = { 0 };
    struct store *s = NULL;
    CHECK_OK(store_open(&options, &s, &fail));
    return s;
}

static void create(struct store *s, const char *account, const struct key_request *more,
                   char text[KEY_TEXT_LEN + 1])
{
    struct key_request r = more ? *more : (struct key_request) { .scopes = SCOPE_CHAT };
    r.account = str_of(account);
    CHECK_OK(key_create(s, &r, text));
}

static struct key_table *load(struct store *s)
{
    struct key_table *table = NULL;
    CHECK_OK(key_table_load(s, -1, &table));
    return table;
}

TEST(a_new_key_is_found_with_what_it_may_do)
{
    struct store *s = open_store();
    char text[KEY_TEXT_LEN + 1], other[KEY_TEXT_LEN + 1];
    struct key_request r = { .name = STR("back end"),
                             .has_tier = true,
                             .tier = TIER_VIP,
                             .scopes = SCOPE_CHAT | SCOPE_ADMIN };
    create(s, "creator-1", &r, text);
    create(s, NULL, NULL, other);
    struct key_table *table = load(s);
    CHECK_EQ(table->len, 2);
    const struct api_key *key = key_table_find(table, str_of(text));
    CHECK(key);
    CHECK_STR(key->account, "creator-1");
    CHECK_STR(key->name, "back end");
    CHECK_EQ(key->tier, TIER_VIP);
    CHECK_EQ(key->scopes, SCOPE_CHAT | SCOPE_ADMIN);
    CHECK_EQ(key->revoked_ms, 0);
    CHECK(key->created_ms > 0);
    CHECK(str_eq(key->id, str_make(text + 8, KEY_ID_LEN)));
    const struct api_key *plain = key_table_find(table, str_of(other));
    CHECK_STR(plain->account, "default");
    CHECK_EQ(plain->tier, TIER_STANDARD);
    CHECK_STR(plain->name, "");
    key_table_destroy(table);
    store_close(s);
}

TEST(a_wrong_secret_under_a_known_id_is_not_found)
{
    struct store *s = open_store();
    char text[KEY_TEXT_LEN + 1], other[KEY_TEXT_LEN + 1];
    create(s, "a", NULL, text);
    struct key_table *table = load(s);
    create(s, "b", NULL, other); /* well formed, but not in the table */
    CHECK(!key_table_find(table, str_of(other)));
    /* The stored hash of another key under this id: as if the secret were guessed wrong. */
    table->keys[0].hash[31] ^= 1;
    CHECK(!key_table_find(table, str_of(text)));
    table->keys[0].hash[31] ^= 1;
    CHECK(key_table_find(table, str_of(text)));
    CHECK(!key_table_find(table, STR("")));
    CHECK(!key_table_find(table, str_make(text, KEY_TEXT_LEN - 1)));
    key_table_destroy(table);
    store_close(s);
}

TEST(a_typing_error_is_seen_without_the_store)
{
    struct store *s = open_store();
    char text[KEY_TEXT_LEN + 1];
    create(s, "a", NULL, text);
    CHECK(key_is_well_formed(str_of(text)));
    for (size_t i = 0; i < KEY_TEXT_LEN; i++) {
        char kept = text[i];
        text[i] = kept == 'a' ? 'b' : 'a';
        CHECK(!key_is_well_formed(str_make(text, KEY_TEXT_LEN)));
        text[i] = kept;
        if (i > 0 && text[i] != text[i - 1]) {
            text[i] = text[i - 1];
            text[i - 1] = kept;
            CHECK(!key_is_well_formed(str_make(text, KEY_TEXT_LEN)));
            text[i - 1] = text[i];
            text[i] = kept;
        }
    }
    CHECK(key_is_well_formed(str_of(text)));
    /* CRC-32 as everybody computes it: keys outlive the program that made them. */
    CHECK(key_is_well_formed(STR("hz_live_abcdefghabcdefghijklmnopqrstuvwxyz234567" "lbxqto")));
    CHECK(!key_is_well_formed(STR("")));
    CHECK(!key_is_well_formed(STR("hz_live_")));
    store_close(s);
}

TEST(a_revoked_key_is_listed_but_not_found)
{
    struct store *s = open_store();
    char text[KEY_TEXT_LEN + 1];
    create(s, "a", NULL, text);
    struct str id = str_make(text + 8, KEY_ID_LEN);
    CHECK_OK(key_revoke(s, id));
    struct key_table *table = load(s);
    CHECK(!key_table_find(table, str_of(text)));
    CHECK_EQ(table->len, 1);
    int64_t revoked_ms = table->keys[0].revoked_ms;
    CHECK(revoked_ms > 0);
    key_table_destroy(table);
    CHECK_OK(key_revoke(s, id));
    table = load(s);
    CHECK_EQ(table->keys[0].revoked_ms, revoked_ms);
    key_table_destroy(table);
    CHECK_ERR(key_revoke(s, STR("nosuchid")), ERR_NOT_FOUND);
    store_close(s);
}

TEST(the_table_is_loaded_only_after_a_change)
{
    struct store *s = open_store();
    char text[KEY_TEXT_LEN + 1];
    struct key_table *table = load(s), *again = NULL;
    CHECK_EQ(table->len, 0);
    CHECK(!key_table_find(table, STR("hz_live_x")));
    CHECK_ERR(key_table_load(s, table->version, &again), ERR_AGAIN);
    CHECK(!again);
    create(s, "a", NULL, text);
    CHECK_OK(key_table_load(s, table->version, &again));
    CHECK(again->version > table->version);
    key_table_destroy(table);
    CHECK_OK(key_revoke(s, str_make(text + 8, KEY_ID_LEN)));
    CHECK_OK(key_table_load(s, again->version, &table));
    key_table_destroy(table);
    key_table_destroy(again);
    store_close(s);
}

TEST(an_account_keeps_its_tier_unless_told)
{
    struct store *s = open_store();
    char first[KEY_TEXT_LEN + 1], second[KEY_TEXT_LEN + 1], third[KEY_TEXT_LEN + 1];
    struct key_request vip = { .scopes = SCOPE_CHAT, .has_tier = true, .tier = TIER_VIP };
    create(s, "a", &vip, first);
    create(s, "a", NULL, second);
    struct key_table *table = load(s);
    CHECK_EQ(key_table_find(table, str_of(second))->tier, TIER_VIP);
    key_table_destroy(table);
    vip.tier = TIER_STANDARD;
    create(s, "a", &vip, third);
    table = load(s);
    CHECK_EQ(key_table_find(table, str_of(first))->tier, TIER_STANDARD);
    CHECK_EQ(db_number("SELECT count(*) FROM account"), 1);
    key_table_destroy(table);
    store_close(s);
}

TEST(the_key_itself_is_not_stored)
{
    struct store *s = open_store();
    char text[KEY_TEXT_LEN + 1];
    create(s, "a", NULL, text);
    struct key_table *table = load(s);
    for (int i = 0; i + 16 < KEY_HASH_BYTES; i++)
        CHECK(memmem(text, KEY_TEXT_LEN, table->keys[0].hash + i, 16) == NULL);
    CHECK_EQ(db_number("SELECT length(hash) FROM api_key"), KEY_HASH_BYTES);
    key_table_destroy(table);
    store_close(s);
}

TEST(many_keys_are_told_apart)
{
    enum { MANY = 25 };
    struct store *s = open_store();
    char texts[MANY][KEY_TEXT_LEN + 1];
    for (int i = 0; i < MANY; i++) {
        char account[16];
        snprintf(account, sizeof(account), "account-%d", i);
        create(s, account, NULL, texts[i]);
    }
    struct key_table *table = load(s);
    for (int i = 0; i < MANY; i++) {
        char account[16];
        snprintf(account, sizeof(account), "account-%d", i);
        CHECK_STR(key_table_find(table, str_of(texts[i]))->account, account);
    }
    key_table_destroy(table);
    store_close(s);
}

RUN_ON_BOTH(D(a_new_key_is_found_with_what_it_may_do),
            D(a_wrong_secret_under_a_known_id_is_not_found),
            D(a_typing_error_is_seen_without_the_store), D(a_revoked_key_is_listed_but_not_found),
            D(the_table_is_loaded_only_after_a_change), D(an_account_keeps_its_tier_unless_told),
            D(the_key_itself_is_not_stored), D(many_keys_are_told_apart))

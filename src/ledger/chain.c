#include <endian.h>
#include <openssl/evp.h>

#include "base/mem.h"
#include "ledger/writer.h"

struct chain {
    EVP_MD *sha256;
    EVP_MD_CTX *hash;
};

struct chain *chain_create(void)
{
    struct chain *c = MEM_NEW(struct chain);
    c->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    c->hash = EVP_MD_CTX_new();
    HZ_ASSERT(c->sha256 && c->hash);
    return c;
}

void chain_destroy(struct chain *c)
{
    if (!c)
        return;
    EVP_MD_CTX_free(c->hash);
    EVP_MD_free(c->sha256);
    mem_free(c);
}

void chain_begin(struct chain *c, const unsigned char before[HASH_BYTES])
{
    int done = EVP_DigestInit_ex2(c->hash, c->sha256, NULL) &&
               EVP_DigestUpdate(c->hash, before, HASH_BYTES);
    HZ_ASSERT(done);
}

static void add_text(struct chain *c, struct str text)
{
    int done = EVP_DigestUpdate(c->hash, text.at, text.len);
    HZ_ASSERT(done);
}

void chain_add(struct chain *c, const struct value columns[COLUMNS],
               const uint64_t digests[ROW_NAMES])
{
    uint64_t words[COL_NUMBERS + 1];
    for (size_t i = 0; i < COL_NUMBERS; i++)
        words[i] = htobe64((uint64_t)columns[i].number);
    for (size_t i = 0; i < ROW_NAMES; i++)
        words[name_columns[i]] = htobe64(digests[i]);
    const struct value *correlation = &columns[COL_CORRELATION];
    bool is_given = correlation->kind == VALUE_TEXT;
    words[COL_NUMBERS] = is_given ? htobe64(correlation->text.len) : UINT64_MAX;
    add_text(c, str_make((const char *)words, sizeof(words)));
    if (is_given && correlation->text.len)
        add_text(c, correlation->text);
}

void chain_end(struct chain *c, unsigned char out[HASH_BYTES])
{
    int done = EVP_DigestFinal_ex(c->hash, out, NULL);
    HZ_ASSERT(done);
}

uint64_t chain_name_digest(struct str text)
{
    unsigned char hash[HASH_BYTES];
    uint64_t first;
    if (!text.len)
        return 0;
    int done = EVP_Digest(text.at, text.len, hash, NULL, EVP_sha256(), NULL);
    HZ_ASSERT(done);
    memcpy(&first, hash, sizeof(first));
    return be64toh(first);
}

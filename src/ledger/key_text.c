#include "ledger/key_text.h"

#include "base/mem.h"
#include "base/random.h"

#include <openssl/evp.h>
#include <pthread.h>

enum { PREFIX_LEN = 8, SECRET_LEN = 32, CHECK_LEN = 6, BODY_LEN = KEY_TEXT_LEN - CHECK_LEN };
_Static_assert(PREFIX_LEN + KEY_ID_LEN + SECRET_LEN == BODY_LEN, "the parts make the whole");

static const struct str prefix = { "hz_live_", PREFIX_LEN };
static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";

/* Fetching costs more than hashing 54 bytes: once for the life of the process. */
static EVP_MD *sha256;
static pthread_once_t sha256_once = PTHREAD_ONCE_INIT;

static void fetch_sha256(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    HZ_ASSERT(sha256);
}

/* Four bits at a time. */
static uint32_t crc32_of(struct str s)
{
    static const uint32_t steps[16] = {
        0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4, 0x4DB26158, 0x5005713C,
        0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C, 0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C,
    };
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < s.len; i++) {
        crc ^= (unsigned char)s.at[i];
        crc = crc >> 4 ^ steps[crc & 15];
        crc = crc >> 4 ^ steps[crc & 15];
    }
    return ~crc;
}

/* Five bits a character, the first character highest. */
static void check_text(struct str body, char out[CHECK_LEN])
{
    uint32_t crc = crc32_of(body);
    for (int i = CHECK_LEN - 1; i >= 0; i--, crc >>= 5)
        out[i] = alphabet[crc & 31];
}

void key_text_make(char out[KEY_TEXT_LEN + 1])
{
    unsigned char random[KEY_ID_LEN + SECRET_LEN];
    memcpy(out, prefix.at, prefix.len);
    random_bytes(random, sizeof(random));
    for (size_t i = 0; i < sizeof(random); i++)
        out[PREFIX_LEN + i] = alphabet[random[i] & 31];
    mem_wipe(random, sizeof(random));
    check_text(str_make(out, BODY_LEN), out + BODY_LEN);
    out[KEY_TEXT_LEN] = '\0';
}

bool key_is_well_formed(struct str text)
{
    char check[CHECK_LEN];
    if (text.len != KEY_TEXT_LEN || !str_starts(text, prefix))
        return false;
    for (size_t i = PREFIX_LEN; i < KEY_TEXT_LEN; i++) {
        char c = text.at[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '2' && c <= '7')))
            return false;
    }
    check_text(str_first(text, BODY_LEN), check);
    return memcmp(check, text.at + BODY_LEN, CHECK_LEN) == 0;
}

struct str key_text_id(struct str text)
{
    return str_make(text.at + PREFIX_LEN, KEY_ID_LEN);
}

void key_text_hash(struct str text, unsigned char out[KEY_HASH_BYTES])
{
    pthread_once(&sha256_once, fetch_sha256);
    int is_done = EVP_Digest(text.at, text.len, out, NULL, sha256, NULL);
    HZ_ASSERT(is_done == 1);
}

/* The header of a picture, as its bytes and as a caller might write them into JSON: between one and
 * eight tiles, or unknown. */

#include "fuzz.h"

#include "llm/image.h"
#include "wire/base64.h"

enum { TILE_TOKENS = 170, TILES_MOST = 8 };

static void check_tokens(struct str url)
{
    struct str copy = fuzz_copy(url);
    int64_t tokens = image_tokens(copy, false), tiles = (tokens - IMAGE_TOKENS_LOW) / TILE_TOKENS;
    HZ_ASSERT(tokens == IMAGE_TOKENS_LOW + tiles * TILE_TOKENS);
    HZ_ASSERT(tiles >= 1 && tiles <= TILES_MOST);
    HZ_ASSERT(image_tokens(copy, true) == IMAGE_TOKENS_LOW);
    fuzz_free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = { (const char *)data, size };
    struct buf url = { 0 };
    check_tokens(bytes);
    buf_add(&url, STR("\"data:image/png;base64,"));
    base64_encode(bytes, &url);
    buf_add_char(&url, '"');
    check_tokens(buf_str(&url));
    buf_fini(&url);
    return 0;
}

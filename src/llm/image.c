#include "llm/image.h"

enum {
    TOKENS_PER_TILE = 170,
    FIT = 2048,
    SHORT_SIDE = 768,
    TILE = 512,
    JPEG_SEGMENTS_MAX = 128,
    NO_BYTE = -1
};

static int sextet(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : NO_BYTE;
}

/* Byte i of what the text encodes, or NO_BYTE. */
static int byte_at(struct str base64, size_t i)
{
    size_t at = i / 3 * 4 + i % 3;
    if (at >= base64.len || base64.len - at < 2)
        return NO_BYTE;
    int high = sextet(base64.at[at]), low = sextet(base64.at[at + 1]);
    if (high < 0 || low < 0)
        return NO_BYTE;
    unsigned both = (unsigned)high << 6 | (unsigned)low;
    return (int)(both >> (4 - 2 * (i % 3)) & 0xFF);
}

/* `len` bytes as a number, or -1 where one is missing. */
static int64_t big_endian(struct str base64, size_t at, size_t len)
{
    int64_t value = 0;
    for (size_t i = 0; i < len; i++) {
        int b = byte_at(base64, at + i);
        if (b == NO_BYTE)
            return -1;
        value = value << 8 | b;
    }
    return value;
}

static int64_t little_endian(struct str base64, size_t at, size_t len)
{
    int64_t value = 0;
    for (size_t i = len; i > 0; i--) {
        int b = byte_at(base64, at + i - 1);
        if (b == NO_BYTE)
            return -1;
        value = value << 8 | b;
    }
    return value;
}

static bool is_ascii_at(struct str base64, size_t at, const char *text)
{
    for (size_t i = 0; text[i]; i++) {
        if (byte_at(base64, at + i) != (unsigned char)text[i])
            return false;
    }
    return true;
}

/* Walks the segments to the first frame header (SOF0..SOF15 without DHT, JPG and DAC). */
static bool jpeg_size(struct str base64, int64_t *width, int64_t *height)
{
    size_t at = 2;
    for (int i = 0; i < JPEG_SEGMENTS_MAX; i++) {
        int64_t marker = big_endian(base64, at, 2);
        int64_t len = big_endian(base64, at + 2, 2);
        if (marker < 0xFF00 || len < 2)
            return false;
        bool is_frame = marker >= 0xFFC0 && marker <= 0xFFCF && marker != 0xFFC4 &&
                        marker != 0xFFC8 && marker != 0xFFCC;
        if (is_frame) {
            *height = big_endian(base64, at + 5, 2);
            *width = big_endian(base64, at + 7, 2);
            return true;
        }
        at += 2 + (size_t)len;
    }
    return false;
}

static bool webp_size(struct str base64, int64_t *width, int64_t *height)
{
    if (is_ascii_at(base64, 12, "VP8X")) {
        *width = little_endian(base64, 24, 3) + 1;
        *height = little_endian(base64, 27, 3) + 1;
        return true;
    }
    if (is_ascii_at(base64, 12, "VP8L")) {
        int64_t bits = little_endian(base64, 21, 4);
        *width = bits < 0 ? 0 : (bits & 0x3FFF) + 1;
        *height = bits < 0 ? 0 : (bits >> 14 & 0x3FFF) + 1;
        return true;
    }
    int64_t w = little_endian(base64, 26, 2), h = little_endian(base64, 28, 2);
    *width = w < 0 ? 0 : w & 0x3FFF;
    *height = h < 0 ? 0 : h & 0x3FFF;
    return is_ascii_at(base64, 12, "VP8 ");
}

/* Size stated by the header of a base64 text of PNG, GIF, WebP or JPEG. */
static bool image_size(struct str base64, int64_t *width, int64_t *height)
{
    *width = *height = 0;
    bool is_known = true;
    if (is_ascii_at(base64, 1, "PNG\r\n")) {
        *width = big_endian(base64, 16, 4);
        *height = big_endian(base64, 20, 4);
    } else if (is_ascii_at(base64, 0, "GIF8")) {
        *width = little_endian(base64, 6, 2);
        *height = little_endian(base64, 8, 2);
    } else if (is_ascii_at(base64, 0, "RIFF") && is_ascii_at(base64, 8, "WEBP")) {
        is_known = webp_size(base64, width, height);
    } else {
        is_known = big_endian(base64, 0, 2) == 0xFFD8 && jpeg_size(base64, width, height);
    }
    return is_known && *width > 0 && *height > 0;
}

static int64_t tile_tokens(int64_t width, int64_t height)
{
    int64_t longer = HZ_MAX(width, height);
    if (longer > FIT) {
        width = HZ_MAX(width * FIT / longer, 1);
        height = HZ_MAX(height * FIT / longer, 1);
    }
    int64_t shorter = HZ_MIN(width, height);
    if (shorter > SHORT_SIDE) {
        width = width * SHORT_SIDE / shorter;
        height = height * SHORT_SIDE / shorter;
    }
    int64_t tiles = ((width + TILE - 1) / TILE) * ((height + TILE - 1) / TILE);
    return IMAGE_TOKENS_LOW + tiles * TOKENS_PER_TILE;
}

int64_t image_tokens(struct str url, bool is_low_detail)
{
    if (is_low_detail)
        return IMAGE_TOKENS_LOW;
    struct str mark = STR(";base64,");
    struct str head = str_first(url, 128);
    size_t at = str_starts(head, STR("\"data:")) ? str_find(head, mark) : SIZE_MAX;
    if (at == SIZE_MAX)
        return IMAGE_TOKENS_UNKNOWN;
    struct str base64 = str_skip(url, at + mark.len);
    int64_t width, height;
    /* An escaped "\/" would shift the bytes behind it. */
    if (str_find_char(base64, '\\') != SIZE_MAX || !image_size(base64, &width, &height))
        return IMAGE_TOKENS_UNKNOWN;
    return tile_tokens(width, height);
}

#include "wire/base64.h"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct str bytes, struct buf *out)
{
    const unsigned char *p = (const unsigned char *)bytes.at;
    size_t groups = bytes.len / 3, left = bytes.len % 3;
    if (bytes.len == 0)
        return;
    char *to = buf_reserve(out, (groups + 1) * 4);
    for (size_t i = 0; i < groups; i++, p += 3, to += 4) {
        unsigned bits = (unsigned)p[0] << 16 | (unsigned)p[1] << 8 | p[2];
        to[0] = letters[bits >> 18];
        to[1] = letters[bits >> 12 & 63];
        to[2] = letters[bits >> 6 & 63];
        to[3] = letters[bits & 63];
    }
    out->len += groups * 4;
    if (left == 0)
        return;
    unsigned bits = (unsigned)p[0] << 16 | (left == 2 ? (unsigned)p[1] << 8 : 0);
    to[0] = letters[bits >> 18];
    to[1] = letters[bits >> 12 & 63];
    to[2] = left == 2 ? letters[bits >> 6 & 63] : '=';
    to[3] = '=';
    out->len += 4;
}

/* Value + 1 of a letter; 0 = foreign. */
static const unsigned char values[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64,
};

/* `count` letters as the high bits of 24; false on a foreign character. */
static bool read_group(const unsigned char *p, size_t count, unsigned *bits)
{
    *bits = 0;
    for (size_t i = 0; i < 4; i++) {
        unsigned value = i < count ? values[p[i]] : 1;
        if (value == 0)
            return false;
        *bits = *bits << 6 | (value - 1);
    }
    return true;
}

enum err base64_decode(struct str text, struct buf *out)
{
    if (text.len == 0)
        return OK;
    if (text.len % 4)
        return ERR_BAD_REQUEST;
    const unsigned char *p = (const unsigned char *)text.at;
    size_t padding = p[text.len - 1] != '=' ? 0 : p[text.len - 2] != '=' ? 1 : 2;
    size_t groups = text.len / 4;
    char *to = buf_reserve(out, groups * 3);
    for (size_t i = 0; i < groups; i++, p += 4, to += 3) {
        unsigned bits;
        size_t missing = i + 1 == groups ? padding : 0;
        if (!read_group(p, 4 - missing, &bits) || bits & ((1u << (8 * missing)) - 1))
            return ERR_BAD_REQUEST;
        to[0] = (char)(bits >> 16);
        to[1] = (char)(bits >> 8 & 255);
        to[2] = (char)(bits & 255);
    }
    out->len += groups * 3 - padding;
    return OK;
}

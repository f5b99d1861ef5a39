#ifndef HZ_WIRE_LANES_H
#define HZ_WIRE_LANES_H
/* lanes - bytes side by side in one register: 16 where the processor has SSE2, else 8. */

#include "base/defs.h"

#include <string.h>

typedef unsigned char byte;

/* The tests of lanes return lanes that have the top bit of each byte that passed. */
#if defined(__SSE2__) && !defined(HZ_SCAN_PORTABLE)
#include <emmintrin.h>

enum { LANES_BYTES = 16 };
typedef __m128i lanes;

static inline lanes lanes_load(const byte *at)
{
    return _mm_loadu_si128((const __m128i *)(const void *)at);
}

static inline lanes lanes_equal(lanes x, char c)
{
    return _mm_cmpeq_epi8(x, _mm_set1_epi8(c));
}

/* Below 0x20. */
static inline lanes lanes_control(lanes x)
{
    return _mm_cmpeq_epi8(_mm_min_epu8(x, _mm_set1_epi8(0x1F)), x);
}

/* Below 0x20 or above 0x7F: the comparison is signed. */
static inline lanes lanes_foreign(lanes x)
{
    return _mm_cmplt_epi8(x, _mm_set1_epi8(0x20));
}

static inline lanes lanes_or(lanes x, lanes y)
{
    return _mm_or_si128(x, y);
}

static inline lanes lanes_fill(char c)
{
    return _mm_set1_epi8(c);
}

/* Bits of the bytes that passed; 0 = none did. */
static inline uint64_t lanes_mask(lanes x)
{
    return (unsigned)_mm_movemask_epi8(x);
}

static inline size_t lanes_index(uint64_t mask)
{
    return (size_t)__builtin_ctzll(mask);
}

#else
enum { LANES_BYTES = 8 };
typedef uint64_t lanes;
#define LANES_ONES 0x0101010101010101u
#define LANES_TOPS 0x8080808080808080u

static inline lanes lanes_load(const byte *at)
{
    lanes x;
    memcpy(&x, at, sizeof(x));
    return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? __builtin_bswap64(x) : x;
}

static inline lanes lanes_fill(char c)
{
    return LANES_ONES * (byte)c;
}

/* A borrow can put a wrong bit only above a right one: the first is right. */
static inline lanes lanes_below(lanes x, byte n)
{
    return (x - LANES_ONES * n) & ~x & LANES_TOPS;
}

static inline lanes lanes_equal(lanes x, char c)
{
    return lanes_below(x ^ lanes_fill(c), 1);
}

static inline lanes lanes_control(lanes x)
{
    return lanes_below(x, 0x20);
}

static inline lanes lanes_foreign(lanes x)
{
    return lanes_below(x, 0x20) | x;
}

static inline lanes lanes_or(lanes x, lanes y)
{
    return x | y;
}

static inline uint64_t lanes_mask(lanes x)
{
    return x & LANES_TOPS;
}

static inline size_t lanes_index(uint64_t mask)
{
    return (size_t)__builtin_ctzll(mask) / 8;
}

#endif

/* The first `left` bytes, the others zero. */
lanes lanes_load_part(const byte *at, size_t left);

#endif

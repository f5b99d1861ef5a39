#ifndef HZ_WIRE_SCAN_H
#define HZ_WIRE_SCAN_H
/*
 * scan - the inner loops of the parsers: find the next byte that matters, 16 at a time where the
 * processor has SSE2, 8 at a time elsewhere.
 *
 * Each returns the first such byte, or `end`; none reads outside [at, end).
 */

#include "base/defs.h"

#include <string.h>

#if defined(__SSE2__) && !defined(HZ_SCAN_PORTABLE)
#include <emmintrin.h>
#define HZ_SCAN_SSE2 1
#endif

typedef unsigned char byte;

static inline bool scan_is_text_end(byte c)
{
    return c < 0x20 || c == '"' || c == '\\' || c >= 0x80;
}

static inline bool scan_is_quote(byte c)
{
    return c == '"' || c == '\\';
}

/* '[' and ']' differ from '{' and '}' in bit 5 only. */
static inline bool scan_is_bracket(byte c)
{
    return c == '"' || (c | 0x20) == '{' || (c | 0x20) == '}';
}

static inline bool scan_is_control(byte c)
{
    return c < 0x20 || c == 0x7F;
}

static inline bool scan_is_line_end(byte c)
{
    return c == '\n' || c == '\r';
}

#ifdef HZ_SCAN_SSE2

static inline unsigned scan_mask_text_end(__m128i x)
{
    /* The signed comparison catches bytes from 0x80 on as well. */
    __m128i hit = _mm_cmplt_epi8(x, _mm_set1_epi8(0x20));
    hit = _mm_or_si128(hit, _mm_cmpeq_epi8(x, _mm_set1_epi8('"')));
    hit = _mm_or_si128(hit, _mm_cmpeq_epi8(x, _mm_set1_epi8('\\')));
    return (unsigned)_mm_movemask_epi8(hit);
}

static inline unsigned scan_mask_quote(__m128i x)
{
    __m128i hit = _mm_cmpeq_epi8(x, _mm_set1_epi8('"'));
    hit = _mm_or_si128(hit, _mm_cmpeq_epi8(x, _mm_set1_epi8('\\')));
    return (unsigned)_mm_movemask_epi8(hit);
}

static inline unsigned scan_mask_bracket(__m128i x)
{
    __m128i folded = _mm_or_si128(x, _mm_set1_epi8(0x20));
    __m128i hit = _mm_cmpeq_epi8(x, _mm_set1_epi8('"'));
    hit = _mm_or_si128(hit, _mm_cmpeq_epi8(folded, _mm_set1_epi8('{')));
    hit = _mm_or_si128(hit, _mm_cmpeq_epi8(folded, _mm_set1_epi8('}')));
    return (unsigned)_mm_movemask_epi8(hit);
}

static inline unsigned scan_mask_control(__m128i x)
{
    __m128i below = _mm_set1_epi8(0x1F);
    __m128i hit = _mm_cmpeq_epi8(_mm_max_epu8(x, below), below);
    hit = _mm_or_si128(hit, _mm_cmpeq_epi8(x, _mm_set1_epi8(0x7F)));
    return (unsigned)_mm_movemask_epi8(hit);
}

static inline unsigned scan_mask_line_end(__m128i x)
{
    __m128i hit = _mm_cmpeq_epi8(x, _mm_set1_epi8('\n'));
    hit = _mm_or_si128(hit, _mm_cmpeq_epi8(x, _mm_set1_epi8('\r')));
    return (unsigned)_mm_movemask_epi8(hit);
}

#define SCAN_WIDE(at, end, mask_of)                                                                \
    while ((size_t)((end) - (at)) >= 16) {                                                         \
        unsigned mask = mask_of(_mm_loadu_si128((const __m128i *)(const void *)(at)));             \
        if (mask)                                                                                  \
            return (at) + __builtin_ctz(mask);                                                     \
        (at) += 16;                                                                                \
    }

#else

#define SCAN_ONES 0x0101010101010101u
#define SCAN_HIGHS 0x8080808080808080u

/* High bits set where a byte is below n (n <= 0x80). A wrong bit can only stand above a right one,
 * so "none" is exact; which byte it was is found one by one. */
static inline uint64_t scan_below(uint64_t x, byte n)
{
    return (x - SCAN_ONES * n) & ~x & SCAN_HIGHS;
}

static inline uint64_t scan_equal(uint64_t x, byte c)
{
    return scan_below(x ^ (SCAN_ONES * c), 1);
}

static inline uint64_t scan_mask_text_end(uint64_t x)
{
    return scan_below(x, 0x20) | (x & SCAN_HIGHS) | scan_equal(x, '"') | scan_equal(x, '\\');
}

static inline uint64_t scan_mask_quote(uint64_t x)
{
    return scan_equal(x, '"') | scan_equal(x, '\\');
}

static inline uint64_t scan_mask_bracket(uint64_t x)
{
    uint64_t folded = x | SCAN_ONES * 0x20;
    return scan_equal(x, '"') | scan_equal(folded, '{') | scan_equal(folded, '}');
}

static inline uint64_t scan_mask_control(uint64_t x)
{
    return scan_below(x, 0x20) | scan_equal(x, 0x7F);
}

static inline uint64_t scan_mask_line_end(uint64_t x)
{
    return scan_equal(x, '\n') | scan_equal(x, '\r');
}

#define SCAN_WIDE(at, end, mask_of)                                                                \
    while ((size_t)((end) - (at)) >= 8) {                                                          \
        uint64_t word;                                                                             \
        memcpy(&word, (at), sizeof(word));                                                         \
        if (mask_of(word))                                                                         \
            break;                                                                                 \
        (at) += 8;                                                                                 \
    }

#endif

/* The end of plain ASCII inside a JSON string: quote, backslash, control or non-ASCII byte. */
static inline const byte *scan_text(const byte *at, const byte *end)
{
    SCAN_WIDE(at, end, scan_mask_text_end)
    while (at < end && !scan_is_text_end(*at))
        at++;
    return at;
}

/* The next quote or backslash. */
static inline const byte *scan_quote(const byte *at, const byte *end)
{
    SCAN_WIDE(at, end, scan_mask_quote)
    while (at < end && !scan_is_quote(*at))
        at++;
    return at;
}

/* The next bracket of any kind, or quote. */
static inline const byte *scan_bracket(const byte *at, const byte *end)
{
    SCAN_WIDE(at, end, scan_mask_bracket)
    while (at < end && !scan_is_bracket(*at))
        at++;
    return at;
}

/* The next control character (bytes from 0x80 on are none). */
static inline const byte *scan_control(const byte *at, const byte *end)
{
    SCAN_WIDE(at, end, scan_mask_control)
    while (at < end && !scan_is_control(*at))
        at++;
    return at;
}

/* The next CR or LF. */
static inline const byte *scan_line_end(const byte *at, const byte *end)
{
    SCAN_WIDE(at, end, scan_mask_line_end)
    while (at < end && !scan_is_line_end(*at))
        at++;
    return at;
}

#endif

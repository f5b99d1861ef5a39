#ifndef HZ_WIRE_SCAN_H
#define HZ_WIRE_SCAN_H
/*
 * scan - the inner loops of the parsers: each finds the next byte that matters, or `end`, and reads
 * nothing outside [at, end).
 */

#include "wire/lanes.h"

static inline lanes lanes_text_end(lanes x)
{
    return lanes_or(lanes_foreign(x), lanes_or(lanes_equal(x, '"'), lanes_equal(x, '\\')));
}

static inline lanes lanes_quote(lanes x)
{
    return lanes_or(lanes_equal(x, '"'), lanes_equal(x, '\\'));
}

/* '[' and ']' differ from '{' and '}' in bit 5 only. */
static inline lanes lanes_bracket(lanes x)
{
    lanes folded = lanes_or(x, lanes_fill(0x20));
    return lanes_or(lanes_equal(x, '"'),
                    lanes_or(lanes_equal(folded, '{'), lanes_equal(folded, '}')));
}

static inline lanes lanes_any_control(lanes x)
{
    return lanes_or(lanes_control(x), lanes_equal(x, 0x7F));
}

static inline lanes lanes_line_end(lanes x)
{
    return lanes_or(lanes_equal(x, '\n'), lanes_equal(x, '\r'));
}

static inline __attribute__((always_inline)) const byte *scan(const byte *at, const byte *end,
                                                              lanes (*test)(lanes))
{
    for (; end - at >= LANES_BYTES; at += LANES_BYTES) {
        uint64_t mask = lanes_mask(test(lanes_load(at)));
        if (mask)
            return at + lanes_index(mask);
    }
    if (at == end)
        return end;
    uint64_t mask = lanes_mask(test(lanes_load_part(at, (size_t)(end - at))));
    return mask ? HZ_MIN(at + lanes_index(mask), end) : end;
}

/* The end of plain ASCII inside a JSON string: quote, backslash, control or non-ASCII byte. */
static inline const byte *scan_text(const byte *at, const byte *end)
{
    return scan(at, end, lanes_text_end);
}

/* The next quote or backslash. */
static inline const byte *scan_quote(const byte *at, const byte *end)
{
    return scan(at, end, lanes_quote);
}

/* The next bracket of any kind, or quote. */
static inline const byte *scan_bracket(const byte *at, const byte *end)
{
    return scan(at, end, lanes_bracket);
}

/* The next control character, DEL included (bytes from 0x80 on are none). */
static inline const byte *scan_control(const byte *at, const byte *end)
{
    return scan(at, end, lanes_any_control);
}

/* The next CR or LF. */
static inline const byte *scan_line_end(const byte *at, const byte *end)
{
    return scan(at, end, lanes_line_end);
}

#endif

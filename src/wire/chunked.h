#ifndef HZ_WIRE_CHUNKED_H
#define HZ_WIRE_CHUNKED_H
/*
 * chunked - the chunked transfer coding (RFC 9112 §7.1), strict; any split of the input gives the
 * same data.
 *
 * Chunk extensions and trailers are ignored; together they may have CHUNKED_EXTRA_MAX bytes a body.
 */

#include "base/buf.h"

enum { CHUNKED_EXTRA_MAX = 16384 };

struct chunked {
    int state;
    uint64_t left;      /* of the current chunk */
    unsigned digits;    /* of the size read so far */
    size_t extra_bytes; /* extensions and trailers so far, bounded */
    bool is_done;
};

/* Takes from *in what it can and returns the next run of data in *data (a slice of the input;
 * empty when more input is needed or the body is done). Loop while data->len > 0.
 * ERR_BAD_HTTP on anything malformed. Once is_done, *in begins with what stands behind the body.
 * A zeroed struct is the start state. */
enum err chunked_next(struct chunked *c, struct str *in, struct str *data) HZ_MUST_USE;

/* "1a\r\n" to go before a chunk of `size` > 0 bytes; "\r\n" goes behind it. */
enum { CHUNKED_SIZE_MAX = 18 };
size_t chunked_write_size(char out[CHUNKED_SIZE_MAX], size_t size);
#define CHUNKED_LAST STR("0\r\n\r\n")

#endif

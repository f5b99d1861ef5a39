#ifndef HZ_WIRE_MULTIPART_H
#define HZ_WIRE_MULTIPART_H
/*
 * multipart - bodies of multipart/form-data (RFC 7578, RFC 2046 §5.1), strict, as a stream: bytes
 * in, events out; any split of the input gives the same parts with the same data.
 *
 * What two readers take differently is refused, for one of them may be the one that checks:
 * - Lines end with CR LF. Header lines are those of http1: no folding, no space before the colon.
 * - One CR LF may stand before the first boundary, nothing else. RFC 2046 has a preamble skipped,
 *   but some take it for a part, no client of forms sends one, and skipping has stalled servers.
 * - Behind a boundary stands CR LF or "--": no padding (nothing on HTTP's way adds any), no other
 *   text. Data does not begin with "--boundary", which some take for the end of an empty part.
 * - A part has one Content-Disposition, form-data with one name and at most one filename. Other
 *   parameters are ignored, but none comes twice or has a '*': RFC 7578 §4.2 forbids "filename*".
 *   .NET's MultipartFormDataContent sends it all the same, and with it OpenAI's library for .NET.
 * - No Content-Transfer-Encoding but 7bit, 8bit and binary (§4.7), no multipart inside (§4.3).
 * - Behind the last boundary stands nothing, or CR LF and what is ignored up to a limit.
 *
 * Names: %22, %0D and %0A, so written, are how browsers send '"', CR and LF; \" and \\ are how
 * curl --form-escape, httpx (both backslashes) and older clients send '"' and '\'. These five are
 * read back and nothing else: browsers escape neither '%' nor '\'. A name that ends with a lone
 * backslash is therefore refused; nothing that is accepted has other parameters for a reader
 * without backslashes. No control bytes but the CR and LF so written; bytes above 0x7F unchecked.
 *
 * Cost: linear. A delimiter that began at the end of an input is remembered as a length, at most
 * that of the boundary and four; only a part's head is copied.
 *
 * Owner:  data borrows from the input or from the struct: it lives until the next call. A part's
 *         texts live until its end is reported.
 * Errors: ERR_BAD_REQUEST, ERR_TOO_LARGE (a limit), from then on at every call; `fail` says why.
 */

#include "base/buf.h"

enum { MULTIPART_BOUNDARY_MAX = 70 };

/* The body's length is limited where it is read. */
struct multipart_limits {
    size_t head_bytes; /* of one part, with its empty line; not 0 */
    size_t headers;    /* of one part */
    size_t parts;
    size_t epilogue_bytes;
};

#define MULTIPART_LIMITS         \
    ((struct multipart_limits) { \
        .head_bytes = 8192, .headers = 16, .parts = 100, .epilogue_bytes = 1024 })

enum multipart_kind {
    MULTIPART_MORE, /* all input was taken */
    MULTIPART_PART,
    MULTIPART_DATA,
    MULTIPART_PART_END,
    MULTIPART_KINDS
};

struct multipart_event {
    enum multipart_kind kind;
    struct str data; /* MULTIPART_DATA: never empty */
    /* MULTIPART_PART */
    struct str name;
    struct str filename;     /* or at = NULL. Text for people: never a path, nor a piece of one. */
    struct str content_type; /* as sent, claimed by the sender; or at = NULL */
};

struct multipart {
    struct multipart_limits limits;
    struct fail *fail;
    enum err err;
    int state;
    char delimiter[MULTIPART_BOUNDARY_MAX + 4]; /* CR LF "--" boundary */
    size_t delimiter_len;
    size_t matched; /* bytes of the delimiter that were taken and may begin one */
    struct buf head;
    size_t line; /* where the unfinished line of the head begins */
    size_t parts;
    size_t epilogue_bytes;
};

/* `content_type` is the value of the request's header: multipart/form-data with one boundary of 1
 * to 70 characters. `fail` must live as long as the struct. Initialized even on an error. */
enum err multipart_init(struct multipart *m, struct str content_type,
                        const struct multipart_limits *limits, struct fail *fail) HZ_MUST_USE;
void multipart_fini(struct multipart *m);

/* Takes bytes from the front of *in until there is an event; loop until MULTIPART_MORE. The end of
 * a part is reported when the line of its delimiter is whole. */
enum err multipart_next(struct multipart *m, struct str *in,
                        struct multipart_event *out) HZ_MUST_USE;
/* At the end of the body: without OK from here nothing of it may be used. */
enum err multipart_end(struct multipart *m) HZ_MUST_USE;

#endif

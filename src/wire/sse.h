#ifndef HZ_WIRE_SSE_H
#define HZ_WIRE_SSE_H
/*
 * sse - server-sent events (HTML standard, "Server-sent events"): reader and writer, no I/O.
 *
 * Line ends CR, LF and CRLF, one optional space behind the colon, several data lines joined by LF,
 * comments, a BOM at the start, and any split of the input are understood.
 *
 * Owner: the reader holds only an incomplete event between feeds (an idle one holds no memory);
 *        sse_fini frees.
 */

#include "base/buf.h"

struct sse_event {
    struct str type; /* "event:" field, or at = NULL */
    struct str data;
    bool has_data;
};

struct sse_reader {
    struct buf rest;    /* what a former feed left incomplete */
    struct buf joined;  /* data of several lines */
    size_t event_limit; /* bytes of one event; 0 = 1 MiB */
    bool is_started;    /* a line was read: no BOM any more */
    bool is_lent;       /* rest and joined hold what was reported: they go at the next call */
};

void sse_fini(struct sse_reader *r);

/* Takes bytes from the front of *in until an event is complete: *is_event says so. With false all
 * of *in was taken. The event's text lives until the next call. ERR_TOO_LARGE past event_limit.
 * Events without a "data" or "event" field (comments, blank lines, a lone id) are not reported. */
enum err sse_next(struct sse_reader *r, struct str *in, struct sse_event *out,
                  bool *is_event) HZ_MUST_USE;
/* At the end of the stream: an event whose blank line is missing (lenient: providers forget it). */
enum err sse_finish(struct sse_reader *r, struct sse_event *out, bool *is_event) HZ_MUST_USE;

/* "data: ...\n\n"; data has no line break (JSON never does). */
void sse_write_data(struct buf *out, struct str data);

#endif

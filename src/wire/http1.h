#ifndef HZ_WIRE_HTTP1_H
#define HZ_WIRE_HTTP1_H
/*
 * http1 - strict HTTP/1.1 message heads: parse and write, no I/O (RFC 9110, RFC 9112).
 *
 * What is ambiguous is refused: bare CR or LF, obs-fold, space before a colon, repeated or listed
 * Content-Length, Content-Length together with Transfer-Encoding, codings other than exactly
 * "chunked", more or less than one Host, a target of absolute form that disagrees with Host.
 *
 * Owner: all text borrows from the bytes that were parsed; `headers` is the caller's array.
 */

#include "base/buf.h"

struct http_header {
    struct str name;
    struct str value;
};

enum http_framing { FRAMING_NONE, FRAMING_LENGTH, FRAMING_CHUNKED, FRAMING_CLOSE };

struct http1_limits {
    size_t head_bytes;   /* whole head: ERR_HEAD_TOO_LARGE */
    size_t target_bytes; /* ERR_URI_TOO_LONG */
    size_t headers;      /* count, at most the array's room: ERR_HEAD_TOO_LARGE */
};

#define HTTP1_LIMITS \
    ((struct http1_limits) { .head_bytes = 16384, .target_bytes = 8192, .headers = 100 })

struct http_head {
    /* requests */
    struct str method;
    struct str target; /* as sent */
    struct str path;   /* target's path, still percent-encoded; "*" for OPTIONS * */
    struct str query;  /* behind '?', or at = NULL */
    /* responses */
    int status;
    struct str reason;

    int minor_version; /* 1 or 0 */
    struct http_header *headers;
    size_t headers_len;
    enum http_framing framing;
    int64_t content_length; /* FRAMING_LENGTH only */
    bool is_keep_alive;     /* the sender lets the connection live on */
    bool expects_continue;
};

/* ERR_AGAIN: the head is not complete (what is there is well formed; bytes from head_bytes on are
 * not looked at). ERR_BAD_HTTP, ERR_HEAD_TOO_LARGE, ERR_URI_TOO_LONG, ERR_EXPECT,
 * ERR_NOT_IMPLEMENTED (a transfer coding), ERR_HTTP_VERSION: answer and close. On OK *used is the
 * length of the head with its empty line. out->headers must point to room for limits->headers;
 * `fail` says what was wrong. One empty line before a request is skipped (RFC 9112 §2.2). */
enum err http1_parse_request(struct str bytes, const struct http1_limits *limits,
                             struct http_head *out, size_t *used, struct fail *fail) HZ_MUST_USE;
/* `is_head_request`: the request was HEAD, so the answer has no body. 1xx answers parse with
 * FRAMING_NONE; the caller reads on. 101 is refused: we never ask for another protocol. */
enum err http1_parse_response(struct str bytes, const struct http1_limits *limits,
                              bool is_head_request, struct http_head *out, size_t *used,
                              struct fail *fail) HZ_MUST_USE;

/* First header of that name (no case), or at = NULL. */
struct str http_head_get(const struct http_head *head, const char *name);

/* Writers. Values with CR, LF or NUL are refused by assertion: check outside text with
 * http1_is_field_value first. */
bool http1_is_field_value(struct str s);
bool http1_is_token(struct str s);
void http1_write_request_line(struct buf *out, struct str method, struct str target);
void http1_write_status_line(struct buf *out, int status);
void http1_write_header(struct buf *out, struct str name, struct str value);
void http1_write_header_i64(struct buf *out, struct str name, int64_t value);
const char *http1_reason(int status);

#endif

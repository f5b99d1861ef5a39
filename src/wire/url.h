#ifndef HZ_WIRE_URL_H
#define HZ_WIRE_URL_H
/* url - http and https URLs, percent-encoding and query strings (RFC 3986). */

#include "base/arena.h"
#include "base/buf.h"

struct url {
    bool is_tls;
    struct str host; /* IPv6 without its brackets */
    int port;        /* 80 or 443 when absent */
    struct str path; /* with its leading '/', or empty */
    struct str query;
};

/* http:// or https://, no user info, no fragment: ERR_BAD_REQUEST with the reason in `fail`. */
enum err url_parse(struct str text, struct url *out, struct fail *fail) HZ_MUST_USE;
/* Everything but unreserved characters becomes %XX. */
void url_encode(struct str text, struct buf *out);
/* ERR_BAD_REQUEST on a broken escape or an encoded NUL. */
enum err url_decode(struct arena *a, struct str text, struct str *out) HZ_MUST_USE;
/* Decoded value of the first query parameter of that name ('+' is a space, as HTML forms and most
 * clients write it); at = NULL when absent. */
enum err url_query_get(struct arena *a, struct str query, const char *name,
                       struct str *out) HZ_MUST_USE;

#endif

#ifndef HZ_WIRE_AUTHORITY_H
#define HZ_WIRE_AUTHORITY_H
/*
 * authority - "host", "host:port" and "[v6]:port", as in a Host header and in a URL.
 *
 * Narrower than RFC 3986: no user info, no percent escapes and no sub-delimiters in the host, no
 * empty port. They are legal, but in practice only meant to confuse.
 */

#include "base/str.h"

struct authority {
    struct str host; /* never empty; IPv6 without its brackets */
    int port;        /* -1 when absent */
};

bool authority_parse(struct str text, struct authority *out);

#endif

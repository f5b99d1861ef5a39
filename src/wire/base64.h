#ifndef HZ_WIRE_BASE64_H
#define HZ_WIRE_BASE64_H
/* base64 - RFC 4648 §4, with padding; decoding is strict. */

#include "base/buf.h"

void base64_encode(struct str bytes, struct buf *out);
/* ERR_BAD_REQUEST on a foreign character, wrong padding or stray bits. */
enum err base64_decode(struct str text, struct buf *out) HZ_MUST_USE;

#endif

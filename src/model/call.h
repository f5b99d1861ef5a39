#ifndef HZ_MODEL_CALL_H
#define HZ_MODEL_CALL_H
/* call - the kinds, tiers and scopes that requests, routes and keys speak of. */

#include "base/str.h"

enum call_type { CALL_CHAT, CALL_MATH, CALL_CODING, CALL_CREATIVE, CALL_TYPES };
enum tier { TIER_STANDARD, TIER_VIP, TIERS };

/* Bits of a key's scopes. */
enum scope { SCOPE_CHAT = 1, SCOPE_FEATURES = 2, SCOPE_SEND = 4, SCOPE_ADMIN = 8 };

const char *call_type_name(enum call_type type);
const char *tier_name(enum tier tier);
/* False when the text names none. */
bool call_type_parse(struct str text, enum call_type *out);
bool tier_parse(struct str text, enum tier *out);

/* "chat,features" <-> bits. False on an unknown name or an empty list; `unknown` says which. */
bool scopes_parse(struct str text, unsigned *out, struct str *unknown);
struct buf;
void scopes_format(unsigned scopes, struct buf *out);

#define CALL_TYPES_ALLOWED "chat, math, coding, creative"
#define TIERS_ALLOWED "standard, vip"
#define SCOPES_ALLOWED "chat, features, send, admin"

#endif

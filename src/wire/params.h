#ifndef HZ_WIRE_PARAMS_H
#define HZ_WIRE_PARAMS_H
/*
 * params - header values with parameters, such as `form-data; name="a b"; size=3` (RFC 9110
 * §5.6.6), strict.
 *
 * No name comes twice, and none has a '*': what the extended notation of RFC 8187 says is seen only
 * by readers that know it.
 *
 * Owner: all text borrows from the value that was read.
 */

#include "base/str.h"

enum { PARAMS_MAX = 16 };

struct param {
    struct str name;
    struct str value; /* without its quotes; a backslash hides the next character from the end */
};

struct params {
    struct str type; /* what stands before the first semicolon, unchecked */
    struct param at[PARAMS_MAX];
    size_t len;
};

/* ERR_BAD_REQUEST, and `fail` says why: also for control characters anywhere but HTAB, and for more
 * than PARAMS_MAX parameters. */
enum err params_read(struct str value, struct params *out, struct fail *fail) HZ_MUST_USE;
/* The value of that name (no case), or at = NULL. */
struct str params_get(const struct params *p, struct str name);

#endif

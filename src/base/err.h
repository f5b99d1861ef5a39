#ifndef HZ_BASE_ERR_H
#define HZ_BASE_ERR_H
/*
 * err - what can go wrong, as one table (err.def).
 *
 * A function that can fail returns `enum err`; 0 is OK. Detail for people goes once, where it is
 * known, into the log line and into the request's `struct fail`; callers only return.
 */

#include "base/defs.h"

enum err {
    OK = 0,
#define X(name, status, retry, type, code, text) name,
#include "base/err.def"
#undef X
    ERRS
};

struct err_info {
    const char *name;
    int status;      /* HTTP */
    bool is_retryable;
    const char *type; /* OpenAI's error.type */
    const char *code; /* error.code */
    const char *text; /* default error.message */
};

const struct err_info *err_info(enum err err);
const char *err_name(enum err err);

/* The note about a failure that travels with a request: who set it first keeps it. */
struct fail {
    enum err err;
    char text[320];
    char param[64];
};

/* Sets the note unless one stands, and returns `err`: `return fail_set(f, ERR_X, "...", ...)`. */
enum err fail_set(struct fail *fail, enum err err, const char *fmt, ...) HZ_PRINTF(3, 4);
void fail_clear(struct fail *fail);

#endif

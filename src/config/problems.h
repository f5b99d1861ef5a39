#ifndef HZ_CONFIG_PROBLEMS_H
#define HZ_CONFIG_PROBLEMS_H
/*
 * problems - everything that is wrong with a configuration, collected instead of the first only.
 *
 * One line each, `PLACE: what is wrong; allowed: ...`; the same line is kept once. Warnings go to
 * a list of their own. Values of secrets never stand in a line.
 *
 * Owner: the texts live in the buf and the arena that the caller gave.
 */

#include "base/arena.h"
#include "base/buf.h"

/* Where a value comes from: a file's line, or a variable (line 0: `file` names it alone). */
struct origin {
    const char *file;
    int line;
};

struct problems {
    struct buf *errors;
    size_t count;
    struct arena *arena; /* of the warnings */
    struct str *warnings;
    size_t warnings_len, warnings_cap;
};

void problem(struct problems *p, struct origin at, const char *fmt, ...) HZ_PRINTF(3, 4);
void problem_warn(struct problems *p, const char *fmt, ...) HZ_PRINTF(2, 3);

/* The candidate that a typing error may have meant, or at = NULL. */
struct str problem_suggest(struct str text, const struct str *candidates, size_t count);

/* `text` for a message: shortened, on one line. */
struct str problem_quote(struct arena *a, struct str text);

#endif

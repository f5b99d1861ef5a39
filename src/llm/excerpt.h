#ifndef HZ_LLM_EXCERPT_H
#define HZ_LLM_EXCERPT_H
/* excerpt - a short readable piece of what was no JSON: a proxy's HTML page, plain text. */

#include "base/arena.h"

enum { EXCERPT_MAX = 200 };

/* Without tags, scripts and styles, white space collapsed, at most EXCERPT_MAX bytes. */
struct str excerpt_text(struct arena *a, struct str body);
/* At most `max` bytes, not cut inside a UTF-8 character. */
struct str excerpt_cut(struct str text, size_t max);

#endif

#ifndef HZ_LLM_THINK_H
#define HZ_LLM_THINK_H
/*
 * think - tells a model's reasoning from its answer by <think> tags, while the text passes.
 *
 * A start tag counts only at the very beginning (white space before it is dropped), an end tag only
 * inside. What could be half a tag is held back. Newlines behind either tag are dropped. Any split
 * of the text gives the same result.
 */

#include "base/buf.h"
#include "model/deployment.h"

enum think_state {
    THINK_OFF,         /* everything is answer */
    THINK_START,       /* nothing decided yet */
    THINK_START_OPEN,  /* the same, but without a tag it is reasoning */
    THINK_INSIDE_LEAD, /* behind the start tag: newlines are dropped */
    THINK_INSIDE,
    THINK_ANSWER_LEAD, /* behind the end tag: newlines are dropped */
    THINK_STATES
};

enum { THINK_HELD_MAX = 32 };

struct think {
    enum think_state state;
    uint8_t held_len;
    char
        held[THINK_HELD_MAX]; /* START: white space and half a start tag; INSIDE: half an end tag */
};

void think_init(struct think *t, enum reasoning_format format);
void think_feed(struct think *t, struct str text, struct buf *reasoning, struct buf *answer);
/* At the end of the text: what is held back goes where it belongs. */
void think_flush(struct think *t, struct buf *reasoning, struct buf *answer);

static inline bool think_is_off(const struct think *t)
{
    return t->state == THINK_OFF;
}

#endif

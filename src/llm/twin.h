#ifndef HZ_LLM_TWIN_H
#define HZ_LLM_TWIN_H
/*
 * twin - a chunk that equals the former one but for its text.
 *
 * Nearly all chunks of a stream do. Once one was found to need no change and to bring nothing but
 * one string, the next one with the same bytes around another string needs none either, so that
 * only the string has to be looked at. This makes such a chunk several times cheaper.
 */

#include "wire/json.h"

struct twin {
    struct buf around; /* the document without the string */
    size_t head_len;   /* of `around`: what stands before the string */
    bool is_set;
};

void twin_fini(struct twin *t);
/* text: the string in the document, with its quotes. */
void twin_set(struct twin *t, struct str doc, struct str text);
/* True when doc is valid JSON and the twin of what was set; then *text is its string. */
bool twin_matches(const struct twin *t, struct str doc, struct str *text);

#endif

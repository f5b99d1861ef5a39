#ifndef HZ_LLM_TALLY_H
#define HZ_LLM_TALLY_H
/* tally - usage objects of all known forms, read into ours and written in OpenAI's. */

#include "llm/llm.h"
#include "llm/splice.h"

enum tally {
    TALLY_NONE,   /* it states neither input nor output */
    TALLY_STATED, /* *out is set */
    TALLY_ABSURD, /* a number in it cannot be true, so nothing of it is believed */
};

/* Cannot be true: what is no whole number from 0 to USAGE_CLASS_MOST; null counts as not stated.
 * Then *absurd is that member, cut short, of the document. Otherwise cached tokens never exceed the
 * input that they are part of, and reasoning never the output. */
enum tally tally_read(struct str object, struct usage *out, struct str *absurd) HZ_MUST_USE;
/* Of a whole answer: what is not believed is left out of the document, as if it had not been said;
 * `o` stands at the member that holds it. */
void tally_take(struct llm_answer *answer, struct splice_object *o, struct str object);
void tally_write(const struct usage *usage, struct buf *out);

#endif

#ifndef HZ_LLM_CHOICE_H
#define HZ_LLM_CHOICE_H
/* choice - one element of `choices`, whole or chunk: index, speech, finish_reason. */

#include "llm/speech.h"

struct choice_facts {
    struct str
        finish_reason; /* normalised; at = NULL while it goes on. Static or of the document */
    bool is_content_filter;
    bool is_aborted; /* the provider gave up: not an answer */
    bool is_broken;  /* a whole answer without a message */
};

/* position: its place in the array, which is its index when it states none. */
void choice_rewrite(struct speech *sp, struct voice *v, struct splice *s, struct str choice,
                    size_t position, struct choice_facts *out);

#endif

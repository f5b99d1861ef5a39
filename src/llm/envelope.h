#ifndef HZ_LLM_ENVELOPE_H
#define HZ_LLM_ENVELOPE_H
/*
 * envelope - the fields around the choices that strict clients want: id, object, created, model.
 *
 * What the provider states stays (Azure names the underlying model: left so); what it left out or
 * sent empty is added.
 */

#include "llm/llm.h"
#include "llm/splice.h"

struct envelope {
    const char *object; /* "chat.completion" or "chat.completion.chunk" */
    struct str id;      /* for documents without one; decoded */
    struct str model;
    int64_t created_s;
    bool is_simulated;
    bool is_given; /* id, model and created stand whatever the document says */

    /* What the document said: raw strings, at = NULL where it said nothing. */
    struct str seen_id;
    struct str seen_model;
    int64_t seen_created_s;
    bool has_id, has_model, has_object, has_created;
};

/* Takes the current member when it is one of the four; false otherwise. */
bool envelope_take(struct envelope *e, struct splice_object *o);
/* After the last member: adds what was missing. */
void envelope_close(struct envelope *e, struct splice_object *o);

#endif

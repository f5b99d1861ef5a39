#ifndef HZ_LLM_REPLAY_H
#define HZ_LLM_REPLAY_H
/* replay - the messages that a caller sends back, made fit for a deployment that is choosy. */

#include "llm/splice.h"
#include "model/deployment.h"

/* Rewrites the messages array in place of the document: developer role, part arrays, reasoning of
 * former turns, `index` of replayed tool calls. Leaves alone what the deployment takes as it is. */
void replay_rewrite(struct splice *s, struct str messages, const struct deployment *d);

#endif

#ifndef HZ_LLM_ERROR_H
#define HZ_LLM_ERROR_H
/* error - what providers say when they refuse, brought into OpenAI's one shape (spec: providers.md
 * §1.3). */

#include "base/arena.h"
#include "base/buf.h"

/* An error body of any of the four shapes (or HTML, or nothing), normalised. */
struct llm_error {
    struct str message; /* never empty */
    struct str type;
    struct str param; /* may be empty */
    struct str code;  /* may be empty; numeric codes as text */
    bool is_content_filter;
    bool is_context_length;
    bool is_quota_exhausted; /* insufficient_quota and its kin: waiting does not help */
};
/* status 0: an error inside a stream. */
void llm_error_read(struct arena *a, int status, struct str body, struct llm_error *out);

/* {"error":{"message","type","param","code"[,"correlation_id"]}} */
void llm_error_write(struct buf *out, const struct llm_error *error, struct str correlation_id);

#endif

#ifndef HZ_LLM_FAULT_H
#define HZ_LLM_FAULT_H
/*
 * fault - is a document that came under status 200 really an error?
 *
 * It is with an `error`, and in the flat forms: {"object":"error"}, and {"detail"} or {"message"}
 * where neither choices nor data stand.
 */

#include "llm/key.h"
#include "llm/llm.h"

/* One walk's findings, so that a document that is walked anyway need not be walked twice. */
struct fault {
    bool has_error;   /* a set `error`, or {"object":"error"} */
    bool has_message; /* a set `detail` or `message` */
    bool has_result;  /* `choices` or `data`, even if empty */
};
void fault_look(struct fault *f, struct key key, struct str value);
static inline bool fault_found(const struct fault *f)
{
    return f->has_error || (f->has_message && !f->has_result);
}
/* ERR_UPSTREAM_BROKEN, with what the provider said. */
enum err fault_refuse(struct arena *a, const struct deployment *d, struct str body,
                      struct fail *fail);

#endif

#ifndef HZ_LLM_FAULT_H
#define HZ_LLM_FAULT_H
/* fault - is a document that came under status 200 really an error? */

#include "wire/json.h"

/* As SDKs judge `error`: null, false, "", 0, [] and {} are none. */
bool fault_is_set(struct str error);
/* An `error`, or one of the flat forms: {"object":"error"}, and {"detail"} or {"message"} where neither
 * choices nor data stand. */
bool fault_is_error(struct str document);

#endif

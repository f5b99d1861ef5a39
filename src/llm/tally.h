#ifndef HZ_LLM_TALLY_H
#define HZ_LLM_TALLY_H
/* tally - usage objects of all known forms, read into ours and written in OpenAI's. */

#include "model/usage.h"
#include "wire/json.h"

/* False when the object states neither input nor output (then *out is untouched). Negative numbers
 * count as zero; cached tokens never exceed the input that they are part of. */
bool tally_read(struct str object, struct usage *out);
void tally_write(const struct usage *usage, struct buf *out);

#endif

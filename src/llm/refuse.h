#ifndef HZ_LLM_REFUSE_H
#define HZ_LLM_REFUSE_H
/* refuse - why a request is not taken: the field as `param`, and a sentence that says what is
 * allowed. */

#include "wire/json.h"

/* What a field may be, as bits. */
enum value_kinds {
    KIND_STRING = 1,
    KIND_NUMBER = 2,
    KIND_WHOLE = 4,
    KIND_BOOL = 8,
    KIND_ARRAY = 16,
    KIND_OBJECT = 32,
    KIND_REQUIRED = 64 /* null does not stand for "not given" */
};

/* Sets "'param' TEXT" and fail->param; returns ERR_BAD_REQUEST. */
enum err refuse(struct fail *fail, const char *param, const char *fmt, ...) HZ_PRINTF(3, 4);
/* OK when the value is of one of the kinds, else "'param' must be a string or an array". */
enum err refuse_other_kinds(struct fail *fail, const char *param, unsigned kinds, struct str value);

#endif

#ifndef HZ_LLM_EMBEDDING_H
#define HZ_LLM_EMBEDDING_H
/*
 * embedding - answers of the embeddings operation: vectors as lists of numbers or as base64 of
 * little-endian float32, whichever the client asked for and whichever the provider sent.
 *
 * Numbers become float32 by rounding their double, so in rare halfway cases the last bit may differ
 * from a direct conversion; float32 becomes text of 9 digits, which reads back as the same float32.
 */

#include "llm/llm.h"

enum err embedding_read(struct arena *a, const struct llm_request *r, const struct deployment *d,
                        const struct llm_answer_options *options, struct str body, struct buf *out,
                        struct llm_answer *answer, struct fail *fail) HZ_MUST_USE;

#endif

#ifndef HZ_LLM_PROMPT_H
#define HZ_LLM_PROMPT_H
/* prompt - is what a caller wants answered or embedded well-formed, and is there anything at all?
 */

#include "wire/json.h"

enum { PROMPT_INPUTS_MAX = 2048 };

struct prompt_facts {
    bool has_images;
    bool has_prefill;    /* the last message is an assistant's */
    int64_t media;       /* parts that are not text: images, sound, files */
    int64_t image_bytes; /* of images within the request: not text either */
    struct str asked;    /* raw content of the last user message */
};
/* messages: a JSON array. ERR_BAD_REQUEST names the member, such as messages[2].content[0].text. */
enum err prompt_check_messages(struct str messages, struct prompt_facts *out,
                               struct fail *fail) HZ_MUST_USE;
/* input: a string, strings, tokens, or arrays of tokens; none empty. */
enum err prompt_check_input(struct str input, struct fail *fail) HZ_MUST_USE;
/* Tokens of an embeddings input: texts by heuristic, token arrays exactly. */
int64_t prompt_count_input(struct str input);

#endif

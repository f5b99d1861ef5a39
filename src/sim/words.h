#ifndef HZ_SIM_WORDS_H
#define HZ_SIM_WORDS_H
/*
 * words - scripted behaviour: what the simulator does besides answering well.
 *
 * "gpt-4o+status=429,retry_after=2" asks for it in the model's name, a script rule by its match.
 * One table (words.c) is parser, help and documentation.
 */

#include "base/buf.h"
#include "base/err.h"

enum filter_kind { FILTER_NONE, FILTER_PROMPT, FILTER_ANSWER };
enum prefill_kind { PREFILL_IGNORED, PREFILL_CONTINUED, PREFILL_REFUSED };
enum error_shape {
    SHAPE_OF_DIALECT,
    SHAPE_OPENAI,
    SHAPE_AZURE,
    SHAPE_FLAT,
    SHAPE_MISTRAL,
    SHAPE_VALIDATION,
    SHAPE_VLLM,
};

/* Numbers are -1 and text is STR_NONE when the word was not given. */
struct behaviour {
    int64_t status;
    int64_t retry_after_s;
    int64_t retry_after_ms;
    int64_t delay_ms;
    int64_t tps;
    int64_t cut, stall, garbage, error_event; /* after that many tokens */
    int64_t stall_ms;
    int64_t tokens, think, cached, tools;
    int64_t content_filter; /* enum filter_kind */
    int64_t prefill;        /* enum prefill_kind */
    int64_t error_shape;    /* enum error_shape */
    struct str finish, forbid, region, usage;
    bool reset, silent, silent_after_head, html, empty, error_200, context_length, quota;
    bool no_done, no_usage, usage_every_chunk, usage_side;
    bool no_role, role_every, no_id, no_index, no_object, created_float;
    bool args_object, tool_whole, null_content, null_tools;
    bool no_space, crlf, comments, pretty, negative_limits;
};

void behaviour_init(struct behaviour *b);
/* "status=503,delay=100"; ',' and '+' both part words. Text borrows from `words`.
 * ERR_BAD_REQUEST with the word and what is allowed in `fail`. */
enum err behaviour_apply(struct behaviour *b, struct str words, struct fail *fail) HZ_MUST_USE;
/* One word; value.at = NULL for a bare one. */
enum err behaviour_set(struct behaviour *b, struct str word, struct str value,
                       struct fail *fail) HZ_MUST_USE;

#endif

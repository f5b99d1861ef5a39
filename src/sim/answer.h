#ifndef HZ_SIM_ANSWER_H
#define HZ_SIM_ANSWER_H
/*
 * answer - what a chat call is answered with: choices made of parts, and their tokens.
 *
 * The same request gets the same answer, whole or streamed. A part's tokens are those of its text;
 * a tool call has those of its name, too.
 *
 * Owner: all in the call's arena.
 */

#include "sim/sim_call.h"

enum part_kind { PART_REASONING, PART_CONTENT, PART_TOOL };

struct part {
    enum part_kind kind;
    struct str text; /* PART_TOOL: the arguments */
    struct str tool_name;
    struct str tool_id;
    unsigned tool_index;
};

struct choice {
    struct part *parts;
    size_t parts_len;
    const char *finish;
};

struct answer {
    struct choice *choices;
    size_t choices_len;
    bool has_think_tags; /* reasoning goes into content, with its tags */
};

/* Also sets the call's completion, reasoning and cached tokens. */
struct answer *answer_compose(struct sim_call *c);

/* The whole answer as JSON. */
void answer_write(const struct sim_call *c, const struct answer *a, struct buf *out);

/* ---- pieces that whole answers and streams share (answer_json.c) ---- */

/* "id":..,"object":..,"created":..,"model":..  */
void answer_write_head(const struct sim_call *c, const char *object, struct buf *out);
/* What the word `usage` asks for. */
void answer_write_false_usage(const struct sim_call *c, struct buf *out);
void answer_write_usage(const struct sim_call *c, int64_t completion, int64_t reasoning,
                        struct buf *out);
void answer_write_filter(const struct sim_call *c, bool is_filtered, struct buf *out);
bool answer_has_filter(const struct sim_call *c);
/* finish_reason's value with its quotes. */
void answer_write_finish(const struct sim_call *c, const struct choice *choice, struct buf *out);
/* A tool call's arguments: text, or an object where told so. */
void answer_write_arguments(const struct sim_call *c, struct str arguments, struct buf *out);
#define PROMPT_FILTER                                                                 \
    STR("\"prompt_filter_results\":[{\"prompt_index\":0,\"content_filter_results\":{" \
        "\"hate\":{\"filtered\":false,\"severity\":\"safe\"},"                        \
        "\"self_harm\":{\"filtered\":false,\"severity\":\"safe\"},"                   \
        "\"sexual\":{\"filtered\":false,\"severity\":\"safe\"},"                      \
        "\"violence\":{\"filtered\":false,\"severity\":\"low\"},"                     \
        "\"jailbreak\":{\"filtered\":false,\"detected\":false}}}]")

#endif

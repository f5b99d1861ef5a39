#ifndef HZ_LLM_SPEECH_H
#define HZ_LLM_SPEECH_H
/*
 * speech - what a model says, as `message` of a whole answer or `delta` of a stream, brought into
 * the one form that OpenAI's clients know.
 *
 * Reasoning in tags or parts becomes reasoning_content; tool arguments become strings, tool calls
 * of streams get their index; nulls that break clients go. Everything is counted while it passes.
 */

#include "llm/count.h"
#include "llm/splice.h"
#include "llm/think.h"

/* One choice, from its first word to its last. */
struct voice {
    struct think think;
    int64_t tool_index; /* of the last tool call in a stream */
    bool is_seen;
    bool is_finished;
    bool has_role;
    bool has_tools;
};

void voice_init(struct voice *v, enum reasoning_format format);

enum { SPEECH_KEPT_MAX = 256 * 1024 };

/* Shared by all choices of an answer. */
struct speech {
    bool is_delta;
    struct token_counter tokens;
    bool has_content;     /* set when something came that a client would show or run */
    struct str only_text; /* the string, if the last speech was a single one of plain text */
    bool keeps_text;
    bool has_more;   /* than text alone, or than is kept of it */
    struct buf kept; /* the text of all */
    /* It ends within a character: the client has the first half of its surrogate pair. */
    bool is_torn;
    char half[JSON_ESCAPE_LEN];
    /* Scratch. */
    struct buf text;
    struct buf reasoning;
    struct buf answer;
};

void speech_fini(struct speech *sp);
/* Content that passes unchanged: a JSON string. */
void speech_say(struct speech *sp, struct str value);
/* is_last: nothing follows, so what was held back comes out. */
void speech_rewrite(struct speech *sp, struct voice *v, struct splice *s, struct str object,
                    bool is_last);
/* The members that hold what was held back, "" if there is none: `"content":"<th"` */
struct str speech_rest(struct speech *sp, struct voice *v);

#endif

#include "sim/words.h"

#include "sim/sim.h"

enum word_kind { WORD_FLAG, WORD_NUMBER, WORD_CHOICE, WORD_TEXT };

struct word {
    const char *name;
    enum word_kind kind;
    size_t offset;
    int64_t bare;        /* WORD_NUMBER without a value; -1: a value is needed */
    int64_t max;         /* WORD_NUMBER */
    const char *choices; /* WORD_CHOICE: "prompt|answer", counted from 1 */
    const char *help;
};

#define FLAG(name, help)                                                     \
    {                                                                        \
#name, WORD_FLAG, offsetof(struct behaviour, name), 0, 0, NULL, help \
    }
#define NUMBER(name, field, max, help)                                            \
    {                                                                             \
        name, WORD_NUMBER, offsetof(struct behaviour, field), -1, max, NULL, help \
    }
#define CHOICE(name, choices, help)                                               \
    {                                                                             \
#name, WORD_CHOICE, offsetof(struct behaviour, name), 0, 0, choices, help \
    }
#define TEXT(name, help)                                                     \
    {                                                                        \
#name, WORD_TEXT, offsetof(struct behaviour, name), 0, 0, NULL, help \
    }

#define SHAPES "openai|azure|flat|mistral|validation|vllm"
#define HOUR_MS 3600000
#define MANY_TOKENS 200000

static const struct word words[] = {
    FLAG(args_object, "a tool call's arguments are an object instead of a string"),
    NUMBER("cached", cached, MANY_TOKENS, "prompt tokens that were read from the cache"),
    FLAG(comments, "a comment line before every event"),
    CHOICE(content_filter, "prompt|answer",
           "the filter blocks the prompt (400) or the answer (200); billed"),
    FLAG(context_length, "400: the prompt is too long"),
    FLAG(created_float, "`created` has decimals"),
    FLAG(crlf, "events end with CR LF"),
    NUMBER("cut", cut, MANY_TOKENS,
           "the connection ends after N tokens, in the middle of the answer"),
    NUMBER("delay", delay_ms, HOUR_MS, "milliseconds until the answer begins"),
    FLAG(empty, "200 with an empty body"),
    FLAG(error_200, "200 with an error object as its body"),
    NUMBER("error_event", error_event, MANY_TOKENS,
           "after N tokens an error inside the stream, then its end"),
    CHOICE(error_shape, SHAPES, "how errors are worded, instead of the dialect's way"),
    TEXT(finish, "finish_reason at the end, instead of the true one; `null`, or nothing for \"\""),
    TEXT(forbid, "a request that has this field is refused as the dialect does"),
    NUMBER("garbage", garbage, MANY_TOKENS, "after N tokens bytes that are not JSON"),
    FLAG(html, "200 with a web page of some proxy (with status=N: that status)"),
    FLAG(negative_limits, "rate-limit headers say -1"),
    FLAG(no_done, "no [DONE] at the end of a stream"),
    FLAG(no_id, "answers have no `id`"),
    FLAG(no_index, "tool calls in a stream have no `index`"),
    FLAG(no_object, "answers have no `object`"),
    FLAG(no_role, "no role in a stream"),
    FLAG(no_space, "`data:` without a space"),
    FLAG(no_usage, "no usage, even if asked for"),
    FLAG(null_content, "a delta with `content: null` before every piece"),
    FLAG(null_tools, "`tool_calls: null` where there are none, `call_id: null` where there are"),
    CHOICE(prefill, "continue|refuse",
           "an assistant's message at the end is continued, or refused (400); else it is ignored"),
    FLAG(pretty,
         "no_id, no_object, no_role, created_float, no_space, args_object and finish= together; "
         "whole answers over several lines"),
    FLAG(quota, "429: the credit is used up"),
    TEXT(region, "x-ms-region; an underscore stands for a space"),
    FLAG(reset, "the connection ends before any byte of an answer"),
    NUMBER("retry_after", retry_after_s, 86400, "header, in seconds"),
    NUMBER("retry_after_ms", retry_after_ms, 86400000, "header, in milliseconds"),
    FLAG(role_every, "the role in every delta"),
    FLAG(silent, "nothing comes until the caller leaves; not billed"),
    FLAG(silent_after_head,
         "the head comes, then nothing until the caller leaves; the prompt is billed"),
    NUMBER("stall", stall, MANY_TOKENS, "after N tokens nothing comes until the caller leaves"),
    NUMBER("stall_ms", stall_ms, HOUR_MS, "the stall ends after this time"),
    NUMBER("status", status, 599,
           "the answer is an error with this status (400 to 599); not billed"),
    { "think", WORD_NUMBER, offsetof(struct behaviour, think), 24, MANY_TOKENS, NULL,
      "tokens of reasoning before the answer; 24 when bare" },
    NUMBER("tokens", tokens, MANY_TOKENS, "length of the answer's text"),
    FLAG(tool_whole, "a tool call comes whole in one chunk"),
    NUMBER("tools", tools, 16, "so many parallel tool calls"),
    NUMBER("tps", tps, MANY_TOKENS, "tokens a second; without it as fast as it goes"),
    TEXT(usage, "states this number of prompt and completion tokens, as it stands (-5, 1e30), "
                "instead of what "
                "was billed"),
    FLAG(usage_every_chunk, "usage so far on every chunk"),
    FLAG(usage_side, "usage only in the field `x_groq`"),
};

void behaviour_init(struct behaviour *b)
{
    *b = (struct behaviour) { 0 };
    for (size_t i = 0; i < HZ_LEN(words); i++) {
        if (words[i].kind == WORD_NUMBER)
            *(int64_t *)((char *)b + words[i].offset) = -1;
    }
}

static const struct word *find(struct str name)
{
    size_t low = 0, high = HZ_LEN(words);
    while (low < high) {
        size_t middle = (low + high) / 2;
        struct str there = str_of(words[middle].name);
        int order = memcmp(name.at, there.at, HZ_MIN(name.len, there.len));
        if (order == 0 && name.len == there.len)
            return &words[middle];
        if (order < 0 || (order == 0 && name.len < there.len))
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static enum err set_number(const struct word *w, int64_t *field, struct str value,
                           struct fail *fail)
{
    if (!value.at && w->bare >= 0) {
        *field = w->bare;
        return OK;
    }
    if (str_to_i64(value, field) == OK && *field >= 0 && *field <= w->max)
        return OK;
    return fail_set(fail, ERR_BAD_REQUEST, "simulator: '%s' takes a number from 0 to %lld", w->name,
                    (long long)w->max);
}

static enum err set_choice(const struct word *w, int64_t *field, struct str value,
                           struct fail *fail)
{
    struct str rest = str_of(w->choices);
    for (int64_t i = 1; rest.at; i++) {
        if (str_eq(str_cut(&rest, '|'), value)) {
            *field = i;
            return OK;
        }
    }
    return fail_set(fail, ERR_BAD_REQUEST, "simulator: '%s' takes one of %s", w->name, w->choices);
}

static void expand_pretty(struct behaviour *b)
{
    b->no_id = b->no_object = b->no_role = b->created_float = b->no_space = b->args_object = true;
    b->finish = STR("");
}

static enum err set_flag(struct behaviour *b, const struct word *w, struct str value,
                         struct fail *fail)
{
    bool is_on = !value.at || str_is(value, "true") || str_is(value, "1");
    if (!is_on && !str_is(value, "false") && !str_is(value, "0"))
        return fail_set(fail, ERR_BAD_REQUEST, "simulator: '%s' takes no value", w->name);
    *(bool *)((char *)b + w->offset) = is_on;
    if (is_on && w->offset == offsetof(struct behaviour, pretty))
        expand_pretty(b);
    return OK;
}

enum err behaviour_set(struct behaviour *b, struct str name, struct str value, struct fail *fail)
{
    const struct word *w = find(name);
    if (!w)
        return fail_set(fail, ERR_BAD_REQUEST,
                        "simulator: '%.*s' is no word of it; see 'huntaze sim --words'",
                        (int)HZ_MIN(name.len, (size_t)64), name.at ? name.at : "");
    char *field = (char *)b + w->offset;
    enum err err = OK;
    switch (w->kind) {
    case WORD_FLAG: err = set_flag(b, w, value, fail); break;
    case WORD_NUMBER: err = set_number(w, (int64_t *)field, value, fail); break;
    case WORD_CHOICE: err = set_choice(w, (int64_t *)field, value, fail); break;
    case WORD_TEXT: *(struct str *)field = value.at ? value : STR(""); break;
    }
    if (!err && b->status != -1 && b->status < 400)
        err = fail_set(fail, ERR_BAD_REQUEST, "simulator: 'status' takes a number from 400 to 599");
    return err;
}

enum err behaviour_apply(struct behaviour *b, struct str list, struct fail *fail)
{
    while (list.len) {
        size_t end = 0;
        while (end < list.len && list.at[end] != ',' && list.at[end] != '+')
            end++;
        struct str word = str_first(list, end);
        list = str_skip(list, end + 1);
        if (word.len == 0)
            continue;
        struct str name = str_cut(&word, '=');
        enum err err = behaviour_set(b, name, word, fail);
        if (err)
            return err;
    }
    return OK;
}

void sim_write_words(struct buf *out)
{
    static const char *const takes[] = {
        [WORD_FLAG] = "", [WORD_NUMBER] = "=N", [WORD_CHOICE] = "=", [WORD_TEXT] = "=TEXT"
    };
    for (size_t i = 0; i < HZ_LEN(words); i++) {
        const struct word *w = &words[i];
        buf_addf(out, "- `%s%s%s`: %s\n", w->name, takes[w->kind], w->choices ? w->choices : "",
                 w->help);
    }
}

#include "llm/choice.h"

enum finish_kind { FINISH_GOES_ON, FINISH_NORMAL, FINISH_FILTER, FINISH_ABORT };

/* Names beside OpenAI's own, seen at compatible servers (spec: providers.md §5 and §10). */
static const struct finish {
    struct str name;
    const char *normal;
    enum finish_kind kind;
} finishes[] = {
    { STR("stop"), "stop", FINISH_NORMAL },
    { STR("length"), "length", FINISH_NORMAL },
    { STR("tool_calls"), "tool_calls", FINISH_NORMAL },
    { STR("content_filter"), "content_filter", FINISH_FILTER },
    { STR("function_call"), "function_call", FINISH_NORMAL },
    { STR(""), "", FINISH_GOES_ON },
    { STR("eos"), "stop", FINISH_NORMAL },
    { STR("eos_token"), "stop", FINISH_NORMAL },
    { STR("end_turn"), "stop", FINISH_NORMAL },
    { STR("stop_sequence"), "stop", FINISH_NORMAL },
    { STR("max_tokens"), "length", FINISH_NORMAL },
    { STR("max_length"), "length", FINISH_NORMAL },
    { STR("model_length"), "length", FINISH_NORMAL },
    { STR("tool_use"), "tool_calls", FINISH_NORMAL },
    { STR("refusal"), "content_filter", FINISH_FILTER },
    { STR("abort"), "abort", FINISH_ABORT },
    { STR("error"), "error", FINISH_ABORT },
    { STR("insufficient_system_resource"), "insufficient_system_resource", FINISH_ABORT },
};

struct finish_verdict {
    struct str name; /* normalised; at = NULL while it goes on */
    enum finish_kind kind;
};

static struct finish_verdict judge_finish(struct str value)
{
    if (json_kind(value) != JSON_STRING || value.len < 2)
        return (struct finish_verdict) { STR_NONE, FINISH_GOES_ON };
    struct str name = str_make(value.at + 1, value.len - 2);
    for (size_t i = 0; i < HZ_LEN(finishes); i++) {
        if (!str_eq(name, finishes[i].name))
            continue;
        bool goes_on = finishes[i].kind == FINISH_GOES_ON;
        return (struct finish_verdict) { goes_on ? STR_NONE : str_of(finishes[i].normal),
                                         finishes[i].kind };
    }
    return (struct finish_verdict) { name, FINISH_NORMAL };
}

/* A whole answer is over, whatever the provider forgot to say. */
static struct finish_verdict judge_choice(const struct speech *sp, struct str choice)
{
    struct finish_verdict verdict = judge_finish(json_get(choice, "finish_reason"));
    if (sp->is_delta || verdict.kind != FINISH_GOES_ON)
        return verdict;
    bool has_tools = json_len(json_path(choice, "message.tool_calls")) > 0;
    return (struct finish_verdict) { has_tools ? STR("tool_calls") : STR("stop"), FINISH_NORMAL };
}

static void write_finish(struct buf *out, struct str name)
{
    if (name.at)
        buf_add_json(out, name);
    else
        buf_add(out, STR("null"));
}

static void edit_finish(struct splice_object *o, struct str name)
{
    struct str value = o->value;
    bool is_same = name.at
                       ? value.len == name.len + 2 && str_eq(str_make(value.at + 1, name.len), name)
                       : json_is_null(value);
    if (is_same)
        return;
    splice_open(o->splice, value);
    write_finish(o->splice->out, name);
}

/* A chunk without delta (filter annotations) or a refused answer without message gets an empty one,
 * because clients read on without asking. */
static void write_speech(struct speech *sp, struct voice *v, struct buf *out, bool is_last)
{
    if (!sp->is_delta) {
        buf_add(out, STR("{\"role\":\"assistant\",\"content\":null}"));
        return;
    }
    buf_add_char(out, '{');
    if (is_last)
        buf_add(out, speech_rest(sp, v));
    buf_add_char(out, '}');
}

void choice_rewrite(struct speech *sp, struct voice *v, struct splice *s, struct str choice,
                    size_t position, struct choice_facts *out)
{
    struct str speech_name = sp->is_delta ? STR("delta") : STR("message");
    /* Only what may be held back asks beforehand whether this is the end. */
    bool looks_ahead = !sp->is_delta || !think_is_off(&v->think);
    struct finish_verdict finish = { STR_NONE, FINISH_GOES_ON };
    if (looks_ahead)
        finish = judge_choice(sp, choice);
    bool is_last = !sp->is_delta || finish.name.at;
    bool has_index = false, has_speech = false, has_finish = false;
    struct splice_object o;

    splice_walk(&o, s, choice);
    while (splice_next(&o)) {
        if (key_is(o.key, speech_name)) {
            has_speech = json_kind(o.value) == JSON_OBJECT;
            if (has_speech)
                speech_rewrite(sp, v, s, o.value, is_last);
            else
                splice_drop(&o);
        } else if (KEY_IS(o.key, "finish_reason")) {
            has_finish = true;
            if (!looks_ahead)
                finish = judge_finish(o.value);
            edit_finish(&o, finish.name);
        } else if (KEY_IS(o.key, "index")) {
            has_index = json_kind(o.value) == JSON_NUMBER;
            if (!has_index)
                splice_drop(&o);
        }
    }
    if (!has_index)
        buf_add_i64(splice_add_open(&o, "index"), (int64_t)position);
    if (!has_speech)
        write_speech(sp, v, splice_add_open(&o, speech_name.at), is_last);
    if (!has_finish)
        write_finish(splice_add_open(&o, "finish_reason"), finish.name);

    sp->has_content |= finish.name.at != NULL;
    v->is_seen = true;
    v->is_finished |= finish.name.at != NULL;
    *out = (struct choice_facts) {
        .finish_reason = finish.name,
        .is_content_filter = finish.kind == FINISH_FILTER,
        .is_aborted = finish.kind == FINISH_ABORT,
        .is_broken = !sp->is_delta && !has_speech && finish.kind != FINISH_FILTER,
    };
}

#include "llm/choice.h"

enum finish_kind { FINISH_GOES_ON, FINISH_NORMAL, FINISH_FILTER, FINISH_ABORT };

/* Names beside OpenAI's own, seen at compatible servers (spec: providers.md §5 and §10). */
static const struct finish {
    struct str name;
    const char *normal;
    enum finish_kind kind;
} finishes[] = {
    { { "stop", 4 }, "stop", FINISH_NORMAL },
    { { "length", 6 }, "length", FINISH_NORMAL },
    { { "tool_calls", 10 }, "tool_calls", FINISH_NORMAL },
    { { "content_filter", 14 }, "content_filter", FINISH_FILTER },
    { { "function_call", 13 }, "function_call", FINISH_NORMAL },
    { { "", 0 }, "", FINISH_GOES_ON },
    { { "eos", 3 }, "stop", FINISH_NORMAL },
    { { "eos_token", 9 }, "stop", FINISH_NORMAL },
    { { "end_turn", 8 }, "stop", FINISH_NORMAL },
    { { "stop_sequence", 13 }, "stop", FINISH_NORMAL },
    { { "max_tokens", 10 }, "length", FINISH_NORMAL },
    { { "max_length", 10 }, "length", FINISH_NORMAL },
    { { "model_length", 12 }, "length", FINISH_NORMAL },
    { { "tool_use", 8 }, "tool_calls", FINISH_NORMAL },
    { { "refusal", 7 }, "content_filter", FINISH_FILTER },
    { { "abort", 5 }, "abort", FINISH_ABORT },
    { { "error", 5 }, "error", FINISH_ABORT },
    { { "insufficient_system_resource", 28 }, "insufficient_system_resource", FINISH_ABORT },
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
    bool is_same = name.at ? value.len == name.len + 2 && str_eq(str_make(value.at + 1, name.len), name)
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
    const char *speech_name = sp->is_delta ? "delta" : "message";
    struct finish_verdict finish = judge_choice(sp, choice);
    bool is_last = !sp->is_delta || finish.name.at;
    bool has_index = false, has_speech = false, has_finish = false;
    struct splice_object o;

    splice_walk(&o, s, choice);
    while (splice_next(&o)) {
        if (str_is(o.key, speech_name)) {
            has_speech = json_kind(o.value) == JSON_OBJECT;
            if (has_speech)
                speech_rewrite(sp, v, s, o.value, is_last);
            else
                splice_drop(&o);
        } else if (KEY_IS(o.key, "finish_reason")) {
            has_finish = true;
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
        write_speech(sp, v, splice_add_open(&o, speech_name), is_last);
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

#include "llm/stream.h"

#include "base/mem.h"
#include "llm/choice.h"
#include "llm/envelope.h"
#include "llm/fault.h"
#include "llm/tally.h"
#include "llm/twin.h"

enum { ID_MAX = 256, ARENA_BYTES = 256 /* an id, a model, a finish reason */ };

struct llm_stream {
    struct arena arena;
    struct llm_answer_options options;
    enum reasoning_format reasoning;
    const struct llm_request *request;

    /* Of the first chunk with choices, for chunks of ours; before it, what stands in for them. */
    bool has_envelope;
    struct str id;
    struct str model;
    int64_t created_s;
    struct str response_model;

    struct speech speech;
    struct twin twin;
    struct voice *voices; /* by index of the choice */
    size_t voices_len;
    struct usage usage;
    bool has_usage;
    struct buf usage_text; /* as the provider sent it, if it has OpenAI's members */
    struct buf absurd_usage;
    bool is_content_filter;
    bool is_done; /* [DONE] came */
    struct str finish_reason;
    struct llm_error error;
};

/* What one event turned out to be. */
struct event {
    struct envelope envelope;
    struct splice splice;
    size_t choices;
    bool has_usage;
    struct fault fault;
    bool is_aborted; /* the provider gave its answer up */
    bool is_finish;
    bool has_break; /* it stood on several lines */
    bool is_unreadable;
};

struct llm_stream *llm_stream_create(const struct llm_request *r, const struct deployment *d,
                                     const struct llm_answer_options *options)
{
    struct llm_stream *s = MEM_NEW(struct llm_stream);
    s->arena.first_bytes = ARENA_BYTES;
    s->options = *options;
    s->reasoning = d->caps.reasoning;
    s->request = r;
    s->id = options->id.len ? options->id : STR("chatcmpl-0");
    s->model = d->model->name;
    s->created_s = options->created_s;
    s->speech.is_delta = true;
    s->speech.keeps_text = options->keeps_text;
    if (options->after) {
        s->has_envelope = true;
        s->id = options->after->id;
        s->model = options->after->model;
        s->created_s = options->after->created_s;
    }
    return s;
}

void llm_stream_destroy(struct llm_stream *s)
{
    if (!s)
        return;
    speech_fini(&s->speech);
    twin_fini(&s->twin);
    buf_fini(&s->usage_text);
    buf_fini(&s->absurd_usage);
    mem_free(s->voices);
    arena_fini(&s->arena);
    mem_free(s);
}

/* ---- one event ---- */

static struct voice *get_voice(struct llm_stream *s, size_t index)
{
    if (index >= s->voices_len) {
        s->voices = mem_realloc(s->voices, (index + 1) * sizeof(*s->voices));
        for (size_t i = s->voices_len; i <= index; i++) {
            voice_init(&s->voices[i], s->reasoning);
            s->voices[i].has_role = s->options.after != NULL;
        }
        s->voices_len = index + 1;
    }
    return &s->voices[index];
}

static void read_choice(struct llm_stream *s, struct event *e, struct str choice)
{
    struct choice_facts facts;
    int64_t index = (int64_t)e->choices;
    struct str stated = json_get(choice, "index");
    bool has_index = json_kind(stated) != JSON_NUMBER || json_to_i64(stated, &index);
    if (json_kind(choice) != JSON_OBJECT || !has_index || index < 0 ||
        index >= LLM_STREAM_CHOICES_MAX) {
        e->is_unreadable = true;
        return;
    }
    choice_rewrite(&s->speech, get_voice(s, (size_t)index), &e->splice, choice, e->choices, &facts);
    e->choices++;
    s->is_content_filter |= facts.is_content_filter;
    if (facts.finish_reason.at && !s->finish_reason.at)
        s->finish_reason = arena_str(&s->arena, str_first(facts.finish_reason, ID_MAX));
    e->is_aborted |= facts.is_aborted;
    e->is_finish |= facts.finish_reason.at != NULL;
}

static void read_choices(struct llm_stream *s, struct event *e, struct str choices)
{
    struct json_iter it;
    struct str choice;
    json_iter_init(&it, choices);
    while (json_next_element(&it, &choice))
        read_choice(s, e, choice);
}

/* JSON may stand on several lines, which came as several data fields; ours is one. Line breaks are
 * white space there, since strings hold none. True when there was one. */
static bool join_lines(struct buf *out, size_t from)
{
    struct str text = str_skip(buf_str(out), from);
    if (str_find_char(text, '\n') == SIZE_MAX && str_find_char(text, '\r') == SIZE_MAX)
        return false;
    for (size_t i = from; i < out->len; i++) {
        if (out->at[i] == '\n' || out->at[i] == '\r')
            out->at[i] = ' ';
    }
    return true;
}

/* The last one counts: some servers send it with every chunk. */
static enum tally take_usage(struct llm_stream *s, struct event *e, struct str object)
{
    struct str absurd = STR_NONE;
    enum tally tally = tally_read(object, &s->usage, &absurd);
    if (tally == TALLY_NONE)
        return tally;
    e->has_usage = true;
    s->has_usage = tally == TALLY_STATED;
    buf_clear(&s->usage_text);
    buf_clear(&s->absurd_usage);
    buf_add(&s->absurd_usage, absurd);
    return tally;
}

/* In a chunk that goes to the client it would be taken for the whole, or counted twice. */
static void read_usage(struct llm_stream *s, struct event *e, struct splice_object *o)
{
    enum tally tally = take_usage(s, e, o->value);
    if (tally == TALLY_NONE)
        return;
    bool is_usual = tally == TALLY_STATED &&
                    json_kind(json_get(o->value, "prompt_tokens")) == JSON_NUMBER &&
                    json_kind(json_get(o->value, "completion_tokens")) == JSON_NUMBER &&
                    json_kind(json_get(o->value, "total_tokens")) == JSON_NUMBER;
    if (is_usual)
        buf_add(&s->usage_text, o->value);
    join_lines(&s->usage_text, 0);
    if (s->request->wants_usage)
        splice_replace(&e->splice, o->value, STR("null"));
    else
        splice_drop(o);
}

static void read_member(struct llm_stream *s, struct event *e, struct splice_object *o)
{
    fault_look(&e->fault, o->key, o->value);
    if (envelope_take(&e->envelope, o))
        return;
    if (KEY_IS(o->key, "choices")) {
        read_choices(s, e, o->value);
    } else if (KEY_IS(o->key, "usage")) {
        read_usage(s, e, o);
    } else if (KEY_IS(o->key, "x_groq")) {
        if (take_usage(s, e, json_get(o->value, "usage")) == TALLY_ABSURD)
            splice_drop(o);
    }
}

static void rewrite_event(struct llm_stream *s, struct event *e, struct str data, struct buf *out)
{
    struct splice_object o;
    e->envelope = (struct envelope) {
        .object = "chat.completion.chunk",
        .id = s->id,
        .model = s->model,
        .created_s = s->created_s,
        .is_simulated = s->options.is_simulated,
        .is_given = s->options.after != NULL,
    };
    buf_add(out, STR("data: "));
    size_t from = out->len;
    splice_init(&e->splice, data, out);
    splice_walk(&o, &e->splice, data);
    while (splice_next(&o))
        read_member(s, e, &o);
    envelope_close(&e->envelope, &o);
    splice_end(&e->splice);
    e->has_break = join_lines(out, from);
    buf_add(out, STR("\n\n"));
}

static struct str keep_text(struct llm_stream *s, struct str raw)
{
    struct str text = raw.len <= ID_MAX ? json_to_str(&s->arena, raw) : STR_NONE;
    return text.len ? arena_str(&s->arena, text) : STR_NONE;
}

static void remember_envelope(struct llm_stream *s, const struct envelope *e)
{
    if (s->has_envelope)
        return;
    struct str id = keep_text(s, e->seen_id);
    s->has_envelope = true;
    s->response_model = keep_text(s, e->seen_model);
    s->id = id.at ? id : s->id;
    s->model = s->response_model.at ? s->response_model : s->model;
    s->created_s = e->seen_created_s ? e->seen_created_s : s->created_s;
}

static enum llm_stream_kind read_error(struct llm_stream *s, struct str data)
{
    llm_error_read(&s->arena, 0, arena_str(&s->arena, data), &s->error);
    return LLM_EVENT_ERROR;
}

/* Whether the client sees the event at all, and what it means for the flow. */
static enum llm_stream_kind judge_event(struct llm_stream *s, const struct event *e,
                                        struct str data)
{
    if (fault_found(&e->fault) && !(e->has_usage && !e->fault.has_error))
        return read_error(s, data);
    if (e->is_aborted) {
        s->error = (struct llm_error) { .message = STR("the provider gave its answer up"),
                                        .type = STR("server_error") };
        return LLM_EVENT_ERROR;
    }
    if (e->is_unreadable)
        return LLM_EVENT_GARBAGE;
    return s->speech.has_content ? LLM_EVENT_CONTENT : LLM_EVENT_NOTHING;
}

/* Nothing but text of one choice, and nothing changed: the next one may be its twin. A choice whose
 * tags are still looked for is not asked here, because its text is never taken as plain. */
static void learn_twin(struct llm_stream *s, const struct event *e, struct str data)
{
    bool is_plain =
        e->choices == 1 && e->splice.edits == 0 && !e->is_finish && !e->has_usage && !e->has_break;
    if (is_plain && json_kind(s->speech.only_text) == JSON_STRING)
        twin_set(&s->twin, data, s->speech.only_text);
}

static enum llm_stream_kind pass_twin(struct llm_stream *s, struct str data, struct str text,
                                      struct buf *out)
{
    s->speech.has_content = false;
    speech_say(&s->speech, text);
    buf_reserve(out, data.len + STR("data: \n\n").len);
    buf_add(out, STR("data: "));
    buf_add(out, data);
    buf_add(out, STR("\n\n"));
    return s->speech.has_content ? LLM_EVENT_CONTENT : LLM_EVENT_NOTHING;
}

enum llm_stream_kind llm_stream_event(struct llm_stream *s, struct str data, struct buf *out)
{
    struct fail ignored;
    struct str text;
    size_t mark = out->len;

    data = json_trim(data);
    if (twin_matches(&s->twin, data, &text))
        return pass_twin(s, data, text, out);
    if (str_starts(data, STR("[DONE]"))) {
        s->is_done = true;
        return LLM_EVENT_DONE;
    }
    if (data.len == 0)
        return LLM_EVENT_NOTHING;
    fail_clear(&ignored);
    if (data.at[0] != '{' || json_check(data, &ignored))
        return LLM_EVENT_GARBAGE;

    struct event e = { 0 };
    s->speech.has_content = false;
    rewrite_event(s, &e, data, out);
    enum llm_stream_kind kind = judge_event(s, &e, data);
    bool is_shown = e.choices > 0 && (kind == LLM_EVENT_CONTENT || kind == LLM_EVENT_NOTHING);
    if (!is_shown) {
        out->len = mark;
        return kind;
    }
    remember_envelope(s, &e.envelope);
    learn_twin(s, &e, data);
    return kind;
}

/* ---- the end ---- */

static void begin_chunk(const struct llm_stream *s, struct buf *out)
{
    buf_add(out, STR("data: {\"id\":"));
    buf_add_json(out, s->id);
    buf_addf(out, ",\"object\":\"chat.completion.chunk\",\"created\":%lld,\"model\":",
             (long long)s->created_s);
    buf_add_json(out, s->model);
    if (s->options.is_simulated)
        buf_add(out, STR(",\"simulated\":true"));
    buf_add(out, STR(",\"choices\":["));
}

static void finish_voice(struct llm_stream *s, size_t index, struct buf *out)
{
    struct voice *v = &s->voices[index];
    struct str rest = speech_rest(&s->speech, v);
    bool lacks_finish = s->is_done && v->is_seen && !v->is_finished;
    if (rest.len == 0 && !lacks_finish)
        return;
    begin_chunk(s, out);
    buf_addf(out, "{\"index\":%zu,\"delta\":{%.*s},\"finish_reason\":%s}]}\n\n", index,
             STR_ARG(rest),
             !lacks_finish  ? "null"
             : v->has_tools ? "\"tool_calls\""
                            : "\"stop\"");
}

static void write_usage(struct llm_stream *s, struct buf *out)
{
    begin_chunk(s, out);
    buf_add(out, STR("],\"usage\":"));
    if (s->usage_text.len && !s->options.after) {
        buf_add(out, buf_str(&s->usage_text));
    } else {
        struct usage usage = s->usage;
        if (!s->has_usage)
            usage = (struct usage) {
                .input_tokens = llm_request_input_estimate(s->request),
                .output_tokens = token_count_total(&s->speech.tokens),
            };
        if (s->options.after)
            usage_add(&usage, &s->options.after->usage);
        tally_write(&usage, out);
    }
    buf_add(out, STR("}\n\n"));
}

void llm_stream_finish(struct llm_stream *s, struct buf *out)
{
    for (size_t i = 0; i < s->voices_len; i++)
        finish_voice(s, i, out);
    if (s->request->wants_usage)
        write_usage(s, out);
}

bool llm_stream_is_complete(const struct llm_stream *s)
{
    size_t seen = 0, finished = 0;
    for (size_t i = 0; i < s->voices_len; i++) {
        seen += s->voices[i].is_seen ? 1 : 0;
        finished += s->voices[i].is_finished ? 1 : 0;
    }
    return seen > 0 && seen == finished && (int64_t)finished >= s->request->n;
}

void llm_stream_answer(const struct llm_stream *s, struct llm_answer *out)
{
    *out = (struct llm_answer) {
        .usage = s->usage,
        .has_usage = s->has_usage,
        .absurd_usage = buf_str(&s->absurd_usage),
        .is_content_filter = s->is_content_filter,
        .output_estimate = token_count_total(&s->speech.tokens),
        .finish_reason = s->finish_reason,
        .response_model = s->response_model,
    };
}

bool llm_stream_said(const struct llm_stream *s, struct llm_said *out)
{
    *out = (struct llm_said) {
        .text = buf_str(&s->speech.kept),
        .id = s->id,
        .model = s->model,
        .created_s = s->created_s,
    };
    return out->text.len && !s->speech.has_more && !s->speech.is_torn && s->voices_len == 1 &&
           !s->voices[0].is_finished;
}

const struct llm_error *llm_stream_error(const struct llm_stream *s)
{
    return &s->error;
}

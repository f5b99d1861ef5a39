#include "base/clock.h"
#include "sim/answer.h"
#include "sim/text.h"

/* Pieces between two looks at the other tasks, where nothing else makes us wait. */
enum { PIECES_A_TURN = 32 };

struct cursor {
    size_t part;
    int64_t token; /* of the part's text */
    bool has_name; /* of a tool call: it went out */
};

struct stream_out {
    struct task *task;
    struct sim_call *call;
    const struct answer *answer;
    struct buf head; /* what every chunk begins with, up to its choices */
    struct buf event;
    struct cursor *cursors;
    int64_t started_ns;
    unsigned pieces;
    bool has_stalled, has_garbled, is_over;
};

/* ---- one event ---- */

static void event_begin(struct stream_out *s)
{
    buf_clear(&s->event);
    if (s->call->behave.comments)
        buf_add(&s->event, STR(": keep-alive\n\n"));
    buf_add(&s->event, s->call->behave.no_space ? STR("data:") : STR("data: "));
}

static enum err event_send(struct stream_out *s)
{
    buf_add(&s->event, s->call->behave.crlf ? STR("\r\n\r\n") : STR("\n\n"));
    return http_reply_part(s->task, s->call->http, buf_str(&s->event));
}

/* Up to the inside of the delta. */
static void chunk_begin(struct stream_out *s, size_t index)
{
    event_begin(s);
    buf_add(&s->event, buf_str(&s->head));
    buf_add(&s->event, STR("{\"index\":"));
    buf_add_i64(&s->event, (int64_t)index);
    buf_add(&s->event, STR(",\"delta\":{"));
    if (s->call->behave.role_every)
        buf_add(&s->event, STR("\"role\":\"assistant\","));
}

static void add_running_usage(struct stream_out *s)
{
    const struct sim_call *c = s->call;
    if (c->behave.usage_every_chunk) {
        buf_add(&s->event, STR(",\"usage\":"));
        answer_write_usage(c, c->generated_tokens, c->generated_reasoning, &s->event);
    } else if (c->dialect == DIALECT_AZURE_OPENAI ||
               (c->wants_usage && c->dialect != DIALECT_FOUNDRY_MODELS)) {
        buf_add(&s->event, STR(",\"usage\":null"));
    }
}

static enum err chunk_end(struct stream_out *s, const struct choice *finished)
{
    struct buf *out = &s->event;
    if (out->at[out->len - 1] == ',')
        out->len--;
    buf_add(out, STR("},\"finish_reason\":"));
    if (finished)
        answer_write_finish(s->call, finished, out);
    else
        buf_add(out, STR("null"));
    if (s->call->dialect == DIALECT_OPENAI)
        buf_add(out, STR(",\"logprobs\":null"));
    answer_write_filter(s->call, finished && str_is(str_of(finished->finish), "content_filter"),
                        out);
    buf_add(out, STR("}]"));
    bool is_last = finished == &s->answer->choices[s->answer->choices_len - 1];
    bool has_usage = is_last && !s->call->behave.no_usage &&
                     (s->call->dialect == DIALECT_FOUNDRY_MODELS || s->call->behave.usage_side);
    if (has_usage) {
        buf_add(out,
                s->call->behave.usage_side ? STR(",\"x_groq\":{\"usage\":") : STR(",\"usage\":"));
        answer_write_usage(s->call, s->call->completion_tokens, s->call->reasoning_tokens, out);
        buf_add(out, s->call->behave.usage_side ? STR("}") : STR(""));
    } else {
        add_running_usage(s);
    }
    buf_add_char(out, '}');
    return event_send(s);
}

/* ---- scripted faults on the way ---- */

static enum err send_garbage(struct stream_out *s)
{
    s->has_garbled = true;
    event_begin(s);
    buf_add(&s->event, STR("{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"brok"));
    return event_send(s);
}

static enum err send_error(struct stream_out *s)
{
    s->is_over = true;
    event_begin(s);
    buf_add(&s->event,
            STR("{\"error\":{\"message\":\"The server had an error while it was answering.\","
                "\"type\":\"server_error\",\"param\":null,\"code\":null}}"));
    enum err err = event_send(s);
    return err ? err : http_reply_end(s->task, s->call->http, STR(""));
}

static enum err stall(struct stream_out *s)
{
    s->has_stalled = true;
    task_set_stage(s->task, "stalled");
    if (s->call->behave.stall_ms >= 0)
        return task_sleep(s->task, s->call->behave.stall_ms);
    return sim_call_be_silent(s->task);
}

static bool is_due(const struct stream_out *s, int64_t after, bool is_end)
{
    return after >= 0 && (is_end || s->call->generated_tokens >= after);
}

/* Before each piece, and (is_end) before the finish: a fault that was to come later comes now. */
static enum err meet_faults(struct stream_out *s, bool is_end)
{
    const struct behaviour *b = &s->call->behave;
    enum err err = OK;
    if (!s->has_garbled && is_due(s, b->garbage, is_end))
        err = send_garbage(s);
    if (!err && !s->has_stalled && is_due(s, b->stall, is_end))
        err = stall(s);
    if (!err && is_due(s, b->error_event, is_end))
        return send_error(s);
    if (!err && is_due(s, b->cut, is_end))
        s->call->is_cut = s->is_over = true;
    return err;
}

/* ---- pieces ---- */

static void write_tool_piece(struct stream_out *s, const struct part *p, struct str name,
                             struct str arguments)
{
    const struct behaviour *b = &s->call->behave;
    struct buf *out = &s->event;
    buf_add(out, STR("\"tool_calls\":[{"));
    if (!b->no_index && !b->tool_whole)
        buf_addf(out, "\"index\":%u,", p->tool_index);
    if (name.at) {
        buf_add(out, STR("\"id\":"));
        buf_add_json(out, p->tool_id);
        buf_add(out, STR(",\"type\":\"function\","));
    }
    buf_add(out, STR("\"function\":{"));
    if (name.at) {
        buf_add(out, STR("\"name\":"));
        buf_add_json(out, name);
        buf_add(out, b->null_tools ? STR(",\"call_id\":null,") : STR(","));
    }
    buf_add(out, STR("\"arguments\":"));
    answer_write_arguments(s->call, arguments, out);
    buf_add(out, STR("}}]"));
}

/* Writes the next piece of a part into the delta and moves the cursor; returns its tokens. */
static int64_t write_piece(struct stream_out *s, const struct part *p, struct cursor *at)
{
    const struct behaviour *b = &s->call->behave;
    int64_t all = text_tokens(p->text.len), from = at->token;
    if (p->kind == PART_TOOL && !at->has_name) {
        bool is_whole = b->tool_whole || b->args_object;
        at->has_name = true;
        at->token = is_whole ? all : 0;
        write_tool_piece(s, p, p->tool_name, is_whole ? p->text : STR(""));
        return text_tokens(p->tool_name.len) + at->token;
    }
    size_t begin = text_cut(p->text, from), end = text_cut(p->text, from + 1);
    struct str piece = str_make(p->text.at + begin, end - begin);
    at->token++;
    if (p->kind == PART_TOOL) {
        write_tool_piece(s, p, STR_NONE, piece);
        return 1;
    }
    bool is_field = p->kind == PART_REASONING && !s->answer->has_think_tags;
    buf_add(&s->event, is_field ? STR("\"reasoning_content\":") : STR("\"content\":"));
    buf_add_json(&s->event, piece);
    return 1;
}

static bool is_part_done(const struct part *p, const struct cursor *at)
{
    bool has_all = at->token >= text_tokens(p->text.len);
    return p->kind == PART_TOOL ? at->has_name && has_all : has_all;
}

/* The part where the choice stands, or NULL at its end. */
static const struct part *current_part(const struct choice *choice, struct cursor *at)
{
    while (at->part < choice->parts_len && is_part_done(&choice->parts[at->part], at))
        *at = (struct cursor) { .part = at->part + 1 };
    return at->part < choice->parts_len ? &choice->parts[at->part] : NULL;
}

static enum err keep_pace(struct stream_out *s)
{
    int64_t tps = s->call->behave.tps;
    if (tps <= 0)
        return ++s->pieces % PIECES_A_TURN ? OK : task_yield(s->task);
    int64_t due_ns = s->started_ns + s->call->generated_tokens * NS_PER_S / tps;
    int64_t left_ms = (due_ns - loop_clock_ns(task_loop(s->task))) / NS_PER_MS;
    return left_ms > 0 ? task_sleep(s->task, left_ms) : OK;
}

static enum err send_null_content(struct stream_out *s, size_t index)
{
    chunk_begin(s, index);
    buf_add(&s->event, STR("\"content\":null"));
    return chunk_end(s, NULL);
}

static enum err send_piece(struct stream_out *s, size_t index, const struct part *p)
{
    enum err err = s->call->behave.null_content ? send_null_content(s, index) : OK;
    if (err)
        return err;
    chunk_begin(s, index);
    int64_t tokens = write_piece(s, p, &s->cursors[index]);
    s->call->generated_tokens += tokens;
    if (p->kind == PART_REASONING)
        s->call->generated_reasoning += tokens;
    err = chunk_end(s, NULL);
    return err ? err : keep_pace(s);
}

/* Choices take turns, piece by piece. */
static enum err send_pieces(struct stream_out *s)
{
    bool has_more = true;
    enum err err = OK;
    while (has_more && !err && !s->is_over) {
        has_more = false;
        for (size_t i = 0; i < s->answer->choices_len && !err && !s->is_over; i++) {
            const struct part *p = current_part(&s->answer->choices[i], &s->cursors[i]);
            if (!p)
                continue;
            has_more = true;
            err = meet_faults(s, false);
            if (!err && !s->is_over)
                err = send_piece(s, i, p);
        }
    }
    return err;
}

/* ---- around the pieces ---- */

static enum err send_opening(struct stream_out *s)
{
    enum err err = OK;
    if (answer_has_filter(s->call)) {
        event_begin(s);
        buf_add(&s->event,
                STR("{\"choices\":[],\"created\":0,\"id\":\"\",\"model\":\"\",\"object\":\"\","));
        buf_add(&s->event, PROMPT_FILTER);
        buf_add_char(&s->event, '}');
        err = event_send(s);
    }
    for (size_t i = 0; !err && i < s->answer->choices_len && !s->call->behave.no_role; i++) {
        chunk_begin(s, i);
        buf_add(&s->event, s->call->behave.role_every ? STR("") : STR("\"role\":\"assistant\","));
        buf_add(&s->event, STR("\"content\":\"\""));
        if (s->call->dialect != DIALECT_FOUNDRY_MODELS)
            buf_add(&s->event, STR(",\"refusal\":null"));
        err = chunk_end(s, NULL);
    }
    return err;
}

/* Azure's asynchronous filter reports after the finish, in a chunk without a delta. */
static enum err send_late_filter(struct stream_out *s)
{
    event_begin(s);
    buf_add(&s->event, buf_str(&s->head));
    buf_add(&s->event, STR("{\"index\":0,\"finish_reason\":null"));
    answer_write_filter(s->call, false, &s->event);
    buf_add(&s->event, STR(",\"content_filter_offsets\":{\"check_offset\":0,\"start_offset\":0,"
                           "\"end_offset\":"));
    buf_add_i64(&s->event, s->call->generated_tokens * 4);
    buf_add(&s->event, STR("}}]"));
    add_running_usage(s);
    buf_add_char(&s->event, '}');
    return event_send(s);
}

static enum err send_usage(struct stream_out *s)
{
    event_begin(s);
    buf_add(&s->event, buf_str(&s->head));
    buf_add(&s->event, STR("],\"usage\":"));
    answer_write_usage(s->call, s->call->completion_tokens, s->call->reasoning_tokens, &s->event);
    buf_add_char(&s->event, '}');
    return event_send(s);
}

static enum err send_ending(struct stream_out *s)
{
    const struct sim_call *c = s->call;
    enum err err = OK;
    for (size_t i = 0; !err && i < s->answer->choices_len; i++) {
        chunk_begin(s, i);
        err = chunk_end(s, &s->answer->choices[i]);
    }
    if (!err && c->dialect == DIALECT_AZURE_OPENAI)
        err = send_late_filter(s);
    bool has_usage = c->wants_usage && c->dialect != DIALECT_FOUNDRY_MODELS &&
                     !c->behave.no_usage && !c->behave.usage_side;
    if (!err && has_usage)
        err = send_usage(s);
    if (err)
        return err;
    struct str done = c->behave.no_done    ? STR("")
                      : c->behave.no_space ? STR("data:[DONE]\n\n")
                                           : STR("data: [DONE]\n\n");
    err = http_reply_end(s->task, c->http, done);
    s->call->is_completed = !err;
    return err;
}

static enum err send_all(struct stream_out *s)
{
    struct sim_call *c = s->call;
    enum err err =
        http_reply_begin(s->task, c->http, 200, sim_call_headers(c, "text/event-stream"));
    if (!err && c->behave.silent_after_head) {
        err = http_reply_part(s->task, c->http, STR(""));
        return err ? err : sim_call_be_silent(s->task);
    }
    if (!err)
        err = send_opening(s);
    if (!err)
        err = send_pieces(s);
    if (!err && !s->is_over)
        err = meet_faults(s, true);
    return err || s->is_over ? err : send_ending(s);
}

enum err stream_serve(struct task *t, struct sim_call *c, struct answer *a)
{
    struct stream_out s = { .task = t, .call = c, .answer = a };
    s.started_ns = loop_clock_ns(task_loop(t));
    s.cursors = arena_zalloc(c->arena, a->choices_len * sizeof(struct cursor));
    buf_add_char(&s.head, '{');
    answer_write_head(c, "chat.completion.chunk", &s.head);
    buf_add(&s.head, STR(",\"choices\":["));
    task_set_stage(t, "streaming");
    enum err err = send_all(&s);
    buf_fini(&s.head);
    buf_fini(&s.event);
    return err;
}

#include "base/clock.h"
#include "sim/answer.h"

void answer_write_head(const struct sim_call *c, const char *object, struct buf *out)
{
    int64_t created_ms = clock_wall_ms();
    if (!c->behave.no_id) {
        buf_add(out, STR("\"id\":\"chatcmpl-sim"));
        buf_add_i64(out, c->seq);
        buf_add(out, STR("\","));
    }
    if (!c->behave.no_object) {
        buf_add(out, STR("\"object\":"));
        buf_add_json(out, str_of(object));
        buf_add_char(out, ',');
    }
    buf_add(out, STR("\"created\":"));
    buf_add_i64(out, created_ms / 1000);
    if (c->behave.created_float)
        buf_add(out, STR(".5"));
    buf_add(out, STR(",\"model\":"));
    buf_add_json(out, sim_call_underlying_model(c));
    if (c->dialect != DIALECT_FOUNDRY_MODELS)
        buf_add(out, STR(",\"system_fingerprint\":\"fp_simulated\""));
}

void answer_write_false_usage(const struct sim_call *c, struct buf *out)
{
    struct str n = c->behave.usage;
    buf_addf(out, "{\"prompt_tokens\":%.*s,\"completion_tokens\":%.*s,\"total_tokens\":%.*s}",
             STR_ARG(n), STR_ARG(n), STR_ARG(n));
}

void answer_write_usage(const struct sim_call *c, int64_t completion, int64_t reasoning,
                        struct buf *out)
{
    if (c->behave.usage.at) {
        answer_write_false_usage(c, out);
        return;
    }
    buf_add(out, STR("{\"prompt_tokens\":"));
    buf_add_i64(out, c->prompt_tokens);
    buf_add(out, STR(",\"completion_tokens\":"));
    buf_add_i64(out, completion);
    buf_add(out, STR(",\"total_tokens\":"));
    buf_add_i64(out, c->prompt_tokens + completion);
    buf_add(out, STR(",\"prompt_tokens_details\":{\"cached_tokens\":"));
    buf_add_i64(out, c->cached_tokens);
    buf_add(out, STR(",\"audio_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":"));
    buf_add_i64(out, reasoning);
    buf_add(out, STR(",\"audio_tokens\":0,\"accepted_prediction_tokens\":0,"
                     "\"rejected_prediction_tokens\":0}}"));
}

bool answer_has_filter(const struct sim_call *c)
{
    return c->dialect == DIALECT_AZURE_OPENAI ||
           (c->dialect == DIALECT_FOUNDRY_V1 && str_starts(c->model, STR("gpt")));
}

void answer_write_filter(const struct sim_call *c, bool is_filtered, struct buf *out)
{
    if (!answer_has_filter(c))
        return;
    buf_add(out,
            STR(",\"content_filter_results\":{\"hate\":{\"filtered\":false,\"severity\":\"safe\"},"
                "\"violence\":{\"filtered\":"));
    buf_add(out, is_filtered ? STR("true,\"severity\":\"medium\"}")
                             : STR("false,\"severity\":\"safe\"}"));
    buf_add(out, STR(",\"protected_material_text\":{\"filtered\":false,\"detected\":false}}"));
}

void answer_write_finish(const struct sim_call *c, const struct choice *choice, struct buf *out)
{
    struct str finish = c->behave.finish.at ? c->behave.finish : str_of(choice->finish);
    if (str_is(finish, "null"))
        buf_add(out, finish);
    else
        buf_add_json(out, finish);
}

void answer_write_arguments(const struct sim_call *c, struct str arguments, struct buf *out)
{
    if (c->behave.args_object)
        buf_add(out, arguments);
    else
        buf_add_json(out, arguments);
}

static void write_tools(const struct sim_call *c, const struct choice *choice, struct buf *out)
{
    bool has_any = false;
    for (size_t i = 0; i < choice->parts_len; i++) {
        const struct part *p = &choice->parts[i];
        if (p->kind != PART_TOOL)
            continue;
        buf_add(out, has_any ? STR(",") : STR(",\"tool_calls\":["));
        has_any = true;
        buf_add(out, STR("{\"id\":"));
        buf_add_json(out, p->tool_id);
        buf_add(out, STR(",\"type\":\"function\",\"function\":{\"name\":"));
        buf_add_json(out, p->tool_name);
        buf_add(out, c->behave.null_tools ? STR(",\"call_id\":null,\"arguments\":")
                                          : STR(",\"arguments\":"));
        answer_write_arguments(c, p->text, out);
        buf_add(out, STR("}}"));
    }
    if (has_any)
        buf_add_char(out, ']');
    else if (c->behave.null_tools)
        buf_add(out, STR(",\"tool_calls\":null"));
}

static void join_text(const struct choice *choice, unsigned kinds, struct buf *out)
{
    for (size_t i = 0; i < choice->parts_len; i++) {
        if (kinds >> choice->parts[i].kind & 1)
            buf_add(out, choice->parts[i].text);
    }
}

static void write_message(const struct sim_call *c, const struct answer *a,
                          const struct choice *choice, struct buf *out)
{
    struct buf text = { 0 };
    buf_add(out, STR("{\"role\":\"assistant\",\"content\":"));
    join_text(choice,
              a->has_think_tags ? 1 << PART_CONTENT | 1 << PART_REASONING : 1 << PART_CONTENT,
              &text);
    bool has_tool = choice->parts_len && choice->parts[choice->parts_len - 1].kind == PART_TOOL;
    if (text.len || !has_tool)
        buf_add_json(out, buf_str(&text));
    else
        buf_add(out, STR("null"));
    if (c->dialect != DIALECT_FOUNDRY_MODELS)
        buf_add(out, STR(",\"refusal\":null"));
    buf_clear(&text);
    join_text(choice, 1 << PART_REASONING, &text);
    if (text.len && !a->has_think_tags) {
        buf_add(out, STR(",\"reasoning_content\":"));
        buf_add_json(out, buf_str(&text));
    }
    write_tools(c, choice, out);
    buf_add_char(out, '}');
    buf_fini(&text);
}

void answer_write(const struct sim_call *c, const struct answer *a, struct buf *out)
{
    buf_add(out, c->behave.pretty ? STR("{\n  ") : STR("{"));
    answer_write_head(c, "chat.completion", out);
    if (answer_has_filter(c)) {
        buf_add_char(out, ',');
        buf_add(out, PROMPT_FILTER);
    }
    buf_add(out, c->behave.pretty ? STR(",\n  \"choices\": [\n    ") : STR(",\"choices\":["));
    for (size_t i = 0; i < a->choices_len; i++) {
        const struct choice *choice = &a->choices[i];
        buf_add(out, i ? STR(",{\"index\":") : STR("{\"index\":"));
        buf_add_i64(out, (int64_t)i);
        buf_add(out, STR(",\"logprobs\":null,\"finish_reason\":"));
        answer_write_finish(c, choice, out);
        buf_add(out, STR(",\"message\":"));
        write_message(c, a, choice, out);
        answer_write_filter(c, c->behave.content_filter == FILTER_ANSWER, out);
        buf_add_char(out, '}');
    }
    buf_add(out, c->behave.pretty ? STR("\n  ]") : STR("]"));
    if (!c->behave.no_usage) {
        buf_add(out, c->behave.usage_side ? STR(",\"x_groq\":{\"usage\":") : STR(",\"usage\":"));
        answer_write_usage(c, c->completion_tokens, c->reasoning_tokens, out);
        buf_add(out, c->behave.usage_side ? STR("}") : STR(""));
    }
    buf_add(out, c->behave.pretty ? STR("\n}\n") : STR("}"));
}

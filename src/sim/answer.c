#include "sim/answer.h"

#include "sim/schema.h"
#include "sim/text.h"
#include "wire/json.h"

enum {
    DEFAULT_THINK_TOKENS = 24,
    TAIL_BYTES = 120,
    TAIL_SPREAD_BYTES = 80,
    CACHE_LEAST = 1024,
    CACHE_STEP = 128
};

static struct str keep(struct sim_call *c, struct buf *text)
{
    struct str kept = arena_str(c->arena, buf_str(text));
    buf_fini(text);
    return kept;
}

static bool is_reasoner(const struct sim_call *c)
{
    return str_contains_nocase(c->model, STR("deepseek-r1"));
}

/* Both ways, as DeepSeek-R1 has them on Azure: the api-version decides. */
static bool uses_think_tags(const struct sim_call *c)
{
    return c->dialect == DIALECT_FOUNDRY_MODELS && str_is(c->api_version, "2024-05-01-preview");
}

static struct str compose_reasoning(struct sim_call *c, uint64_t *seed)
{
    static const struct str open = { "<think>\n", 8 }, close = { "\n</think>\n\n", 11 };
    int64_t tokens = c->behave.think >= 0 ? c->behave.think
                     : is_reasoner(c)     ? DEFAULT_THINK_TOKENS
                                          : 0;
    if (tokens == 0)
        return STR_NONE;
    struct buf text = { 0 };
    bool has_tags = uses_think_tags(c);
    size_t bytes = (size_t)tokens * 4;
    if (has_tags)
        buf_add(&text, open);
    text_add_words(&text, seed,
                   has_tags && bytes > open.len + close.len ? bytes - close.len : bytes);
    if (has_tags) {
        text.len = HZ_MIN(text.len, HZ_MAX(bytes, open.len + close.len) - close.len);
        buf_add(&text, close);
    } else {
        text.len = bytes;
    }
    return keep(c, &text);
}

static void add_echo(struct sim_call *c, struct buf *text)
{
    buf_add(text, STR("Simulated answer to: "));
    buf_add(text, c->last_text);
    if (c->is_tool_turn) {
        buf_add(text, STR(" | tool result: "));
        buf_add(text, c->tool_result);
    }
    if (c->images)
        buf_addf(text, " | %lld image%s", (long long)c->images, c->images == 1 ? "" : "s");
}

static struct str compose_text(struct sim_call *c, uint64_t *seed)
{
    struct buf text = { 0 };
    add_echo(c, &text);
    buf_add(&text, STR("\n\n"));
    bool is_exact = c->behave.tokens >= 0;
    size_t bytes = text.len + TAIL_BYTES + (size_t)(text_random(seed) % TAIL_SPREAD_BYTES);
    text_add_words(&text, seed, is_exact ? (size_t)c->behave.tokens * 4 : bytes);
    if (is_exact)
        text.len = text_cut(buf_str(&text), c->behave.tokens);
    if (str_starts(buf_str(&text), c->prefill))
        buf_consume(&text, c->prefill.len);
    return keep(c, &text);
}

static struct str compose_json(struct sim_call *c)
{
    struct buf text = { 0 };
    if (c->schema.at) {
        schema_fill(c->arena, c->schema, &text);
        return keep(c, &text);
    }
    struct buf echo = { 0 };
    add_echo(c, &echo);
    buf_add(&text, STR("{\"simulated\":true,\"answer\":"));
    buf_add_json(&text, buf_str(&echo));
    buf_add_char(&text, '}');
    buf_fini(&echo);
    return keep(c, &text);
}

/* ---- tool calls ---- */

static bool wants_tools(const struct sim_call *c)
{
    return c->tools.at && !c->has_tool_choice_none && !c->is_tool_turn;
}

/* The nth tool, or the one that tool_choice names. */
static struct str pick_tool(struct sim_call *c, size_t nth)
{
    struct json_iter it;
    struct str tool = STR_NONE;
    json_iter_init(&it, c->tools);
    for (size_t i = 0; json_next_element(&it, &tool); i++) {
        struct str function = json_get(tool, "function");
        if (c->forced_tool.len
                ? str_eq(json_to_str(c->arena, json_get(function, "name")), c->forced_tool)
                : i == nth)
            return function;
    }
    return STR_NONE;
}

static struct part compose_tool(struct sim_call *c, size_t choice, size_t nth)
{
    struct str function = pick_tool(c, nth % json_len(c->tools));
    struct str name = json_to_str(c->arena, json_get(function, "name"));
    struct str parameters = json_get(function, "parameters");
    struct buf text = { 0 };
    if (json_kind(parameters) == JSON_OBJECT)
        schema_fill(c->arena, parameters, &text);
    else
        buf_add(&text, STR("{}"));
    uint64_t seed = c->seed + choice * 64 + nth;
    return (struct part) {
        .kind = PART_TOOL,
        .text = keep(c, &text),
        .tool_name = name.at ? name : STR("unnamed"),
        .tool_id =
            arena_printf(c->arena, "call_%09llx", (unsigned long long)(text_random(&seed) >> 28)),
        .tool_index = (unsigned)nth,
    };
}

/* ---- limits ---- */

static int64_t tokens_of(const struct part *p)
{
    return text_tokens(p->text.len) + text_tokens(p->tool_name.len);
}

/* max_tokens holds for each choice, its reasoning first. */
static void limit(struct choice *choice, int64_t most, const char *finish)
{
    for (size_t i = 0; i < choice->parts_len; i++) {
        struct part *p = &choice->parts[i];
        int64_t tokens = tokens_of(p);
        if (tokens <= most) {
            most -= tokens;
            continue;
        }
        int64_t name_tokens = text_tokens(p->tool_name.len);
        p->text.len = text_cut(p->text, most - name_tokens);
        choice->parts_len = most > name_tokens ? i + 1 : i;
        choice->finish = finish;
        return;
    }
}

static int64_t tokens_of_kind(const struct choice *choice, bool is_reasoning_only)
{
    int64_t sum = 0;
    for (size_t i = 0; i < choice->parts_len; i++) {
        if (!is_reasoning_only || choice->parts[i].kind == PART_REASONING)
            sum += tokens_of(&choice->parts[i]);
    }
    return sum;
}

static void compose_choice(struct sim_call *c, size_t index, struct choice *choice)
{
    size_t tools = wants_tools(c) ? (size_t)HZ_MAX(c->behave.tools, 1) : 0;
    uint64_t seed = c->seed + index;
    choice->parts = arena_zalloc(c->arena, (2 + tools) * sizeof(struct part));
    choice->finish = tools ? "tool_calls" : "stop";
    struct str reasoning = compose_reasoning(c, &seed);
    if (reasoning.at)
        choice->parts[choice->parts_len++] =
            (struct part) { .kind = PART_REASONING, .text = reasoning };
    for (size_t i = 0; i < tools; i++)
        choice->parts[choice->parts_len++] = compose_tool(c, index, i);
    if (!tools) {
        struct str text = c->wants_json ? compose_json(c) : compose_text(c, &seed);
        choice->parts[choice->parts_len++] = (struct part) { .kind = PART_CONTENT, .text = text };
    }
    if (c->behave.content_filter == FILTER_ANSWER)
        limit(choice, tokens_of_kind(choice, false) / 2, "content_filter");
    if (c->max_tokens >= 0)
        limit(choice, c->max_tokens, "length");
}

/* A long prompt counts as seen before, in steps, as OpenAI's cache does. */
static int64_t cached_tokens(const struct sim_call *c)
{
    if (c->behave.cached >= 0)
        return HZ_MIN(c->behave.cached, c->prompt_tokens);
    return c->prompt_tokens < CACHE_LEAST ? 0
                                          : c->prompt_tokens / CACHE_STEP * CACHE_STEP - CACHE_STEP;
}

struct answer *answer_compose(struct sim_call *c)
{
    struct answer *a = ARENA_NEW(c->arena, struct answer);
    a->has_think_tags = uses_think_tags(c);
    a->choices_len = (size_t)c->n;
    a->choices = arena_zalloc(c->arena, a->choices_len * sizeof(struct choice));
    for (size_t i = 0; i < a->choices_len; i++) {
        compose_choice(c, i, &a->choices[i]);
        c->completion_tokens += tokens_of_kind(&a->choices[i], false);
        c->reasoning_tokens += tokens_of_kind(&a->choices[i], true);
    }
    c->cached_tokens = cached_tokens(c);
    return a;
}

#include "sim/invoice.h"

#include "base/clock.h"
#include "base/mem.h"

enum { NAMES_MAX = 10000 };

static const char *const dialect_names[DIALECTS] = {
    [DIALECT_OPENAI] = "openai",
    [DIALECT_FOUNDRY_V1] = "foundry-v1",
    [DIALECT_FOUNDRY_MODELS] = "foundry-models",
    [DIALECT_AZURE_OPENAI] = "azure-openai",
};

void invoice_init(struct invoice *v, size_t limit)
{
    *v = (struct invoice) { .limit = limit };
}

void invoice_fini(struct invoice *v)
{
    if (!v)
        return;
    mem_free(v->entries);
    map_fini(&v->positions);
    for (size_t i = 0; i < v->names_len; i++)
        mem_free((char *)v->names[i].at);
    mem_free(v->names);
    *v = (struct invoice) { .limit = v->limit };
}

void invoice_clear(struct invoice *v)
{
    invoice_fini(v);
}

static uint32_t intern(struct invoice *v, struct str name)
{
    uintptr_t position = (uintptr_t)map_get(&v->positions, name);
    if (position)
        return (uint32_t)position - 1;
    if (v->names_len == NAMES_MAX)
        return NAMES_MAX - 1;
    if (v->names_len == NAMES_MAX - 1)
        name = STR("(others)");
    if ((v->names_len & (v->names_len - 1)) == 0)
        v->names = mem_realloc(v->names, HZ_MAX(v->names_len * 2, (size_t)1) * sizeof(*v->names));
    v->names[v->names_len++] = str_make(str_dup(name), name.len);
    map_put(&v->positions, name, (void *)(uintptr_t)v->names_len);
    return (uint32_t)v->names_len - 1;
}

/* Entries do not wrap before the limit is reached, so growing is a plain realloc. */
static struct invoice_entry *take_place(struct invoice *v)
{
    if (v->next - v->first == v->limit) {
        v->first++;
    } else if (v->next == v->cap) {
        v->cap = HZ_MIN(HZ_MAX(v->cap * 2, (size_t)64), v->limit);
        v->entries = mem_realloc(v->entries, v->cap * sizeof(*v->entries));
    }
    return &v->entries[v->next++ % v->cap];
}

static void copy_header(const struct sim_call *c, const char *name, char out[INVOICE_ID_MAX])
{
    struct str value = str_first(http_head_get(&c->http->head, name), INVOICE_ID_MAX - 1);
    if (value.len)
        memcpy(out, value.at, value.len);
    out[value.len] = '\0';
}

void invoice_add(struct invoice *v, const struct sim_call *c)
{
    bool is_whole = c->is_completed || !c->is_stream;
    uint32_t name = intern(v, c->name);
    struct invoice_entry *e = take_place(v);
    *e = (struct invoice_entry) {
        .seq = c->seq,
        .time_ms = clock_wall_ms(),
        .prompt = (uint32_t)c->prompt_tokens,
        .cached = (uint32_t)c->cached_tokens,
        .completion = (uint32_t)(is_whole ? c->completion_tokens : c->generated_tokens),
        .reasoning = (uint32_t)(is_whole ? c->reasoning_tokens : c->generated_reasoning),
        .aborted_after =
            c->is_completed ? -1 : (int32_t)(is_whole ? c->completion_tokens : c->generated_tokens),
        .name = name,
        .status = (uint16_t)c->status,
        .dialect = (uint8_t)c->dialect,
        .operation = (uint8_t)c->operation,
        .is_stream = c->is_stream,
        .has_left = c->has_left,
    };
    copy_header(c, "x-client-request-id", e->client_request_id);
    copy_header(c, "x-huntaze-operation", e->operation_id);
}

static void add_number(struct buf *out, const char *name, int64_t value)
{
    buf_add(out, STR(",\""));
    buf_add(out, str_of(name));
    buf_add(out, STR("\":"));
    buf_add_i64(out, value);
}

static void add_text(struct buf *out, const char *name, struct str value)
{
    buf_add(out, STR(",\""));
    buf_add(out, str_of(name));
    buf_add(out, STR("\":"));
    if (value.len)
        buf_add_json(out, value);
    else
        buf_add(out, STR("null"));
}

bool invoice_write(const struct invoice *v, uint64_t number, struct buf *out)
{
    if (number < v->first || number >= v->next)
        return false;
    const struct invoice_entry *e = &v->entries[number % v->cap];
    struct str model = v->names[e->name];
    model = str_cut(&model, '+');
    char id[REQUEST_ID_LEN + 1];
    request_id_format(e->seq, id);
    buf_add(out, STR("{\"seq\":"));
    buf_add_i64(out, e->seq);
    add_number(out, "time_ms", e->time_ms);
    buf_add(out, e->dialect == DIALECT_OPENAI ? STR(",\"request_id\":\"req_")
                                              : STR(",\"request_id\":\""));
    buf_add(out, str_of(id));
    buf_add_char(out, '"');
    add_text(out, "dialect", str_of(dialect_names[e->dialect]));
    add_text(out, "operation", e->operation == SIM_CHAT ? STR("chat") : STR("embeddings"));
    add_text(out, "deployment", v->names[e->name]);
    add_text(out, "model", model);
    buf_add(out, e->is_stream ? STR(",\"stream\":true") : STR(",\"stream\":false"));
    add_number(out, "prompt_tokens", e->prompt);
    add_number(out, "cached_tokens", e->cached);
    add_number(out, "completion_tokens", e->completion);
    add_number(out, "reasoning_tokens", e->reasoning);
    add_number(out, "status", e->status);
    buf_add(out, e->aborted_after < 0 ? STR(",\"completed\":true") : STR(",\"completed\":false"));
    if (e->aborted_after < 0)
        buf_add(out, STR(",\"aborted_after_tokens\":null"));
    else
        add_number(out, "aborted_after_tokens", e->aborted_after);
    buf_add(out, e->has_left ? STR(",\"client_left\":true") : STR(",\"client_left\":false"));
    add_text(out, "client_request_id", str_of(e->client_request_id));
    add_text(out, "operation_id", str_of(e->operation_id));
    buf_add_char(out, '}');
    return true;
}

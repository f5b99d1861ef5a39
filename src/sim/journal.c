#include "sim/journal.h"

#include "base/clock.h"
#include "base/mem.h"

struct journal_entry {
    int64_t left_ns;
    int status; /* 0: not answered yet */
    size_t len;
    char text[]; /* the fixed part of its JSON, rendered */
};

void journal_init(struct journal *j, size_t cap, size_t bytes_limit)
{
    *j = (struct journal) { .cap = cap, .bytes_limit = bytes_limit, .first = 1, .next = 1 };
    j->entries = mem_zalloc(cap * sizeof(*j->entries));
}

static void drop_oldest(struct journal *j)
{
    struct journal_entry **place = &j->entries[(size_t)j->first++ % j->cap];
    j->bytes -= (*place)->len;
    mem_free(*place);
    *place = NULL;
}

void journal_clear(struct journal *j)
{
    while (j->first < j->next)
        drop_oldest(j);
}

void journal_fini(struct journal *j)
{
    if (!j)
        return;
    journal_clear(j);
    mem_free(j->entries);
    *j = (struct journal) { 0 };
}

static bool is_credential(struct str name)
{
    static const char *const names[] = { "authorization", "api-key", "x-api-key", "cookie",
                                         "proxy-authorization" };
    for (size_t i = 0; i < HZ_LEN(names); i++) {
        if (str_eq_nocase(name, str_of(names[i])))
            return true;
    }
    return false;
}

static void add_lower_json(struct buf *out, struct str name)
{
    size_t from = out->len;
    buf_add_json(out, name);
    for (size_t i = from; i < out->len; i++) {
        if (out->at[i] >= 'A' && out->at[i] <= 'Z')
            out->at[i] = (char)(out->at[i] + 32);
    }
}

static void render(int64_t seq, const struct http_request *r, struct buf *out)
{
    buf_addf(out, "{\"seq\":%lld,\"time_ms\":%lld,\"method\":", (long long)seq,
             (long long)clock_wall_ms());
    buf_add_json(out, r->head.method);
    buf_add(out, STR(",\"path\":"));
    buf_add_json(out, r->head.target);
    buf_add(out, STR(",\"headers\":{"));
    bool has_any = false;
    for (size_t i = 0; i < r->head.headers_len; i++) {
        const struct http_header *h = &r->head.headers[i];
        if (is_credential(h->name))
            continue;
        buf_add(out, has_any ? STR(",") : STR(""));
        has_any = true;
        add_lower_json(out, h->name);
        buf_add_char(out, ':');
        buf_add_json(out, h->value);
    }
    buf_add(out, STR("},\"body\":"));
    buf_add_json(out, r->body);
}

int64_t journal_add(struct journal *j, const struct http_request *r)
{
    int64_t seq = j->next;
    struct buf text = { 0 };
    render(seq, r, &text);
    while (j->first < j->next &&
           ((size_t)(j->next - j->first) == j->cap || j->bytes + text.len > j->bytes_limit))
        drop_oldest(j);
    struct journal_entry *e = mem_alloc(sizeof(*e) + text.len);
    *e = (struct journal_entry) { .left_ns = -1, .len = text.len };
    memcpy(e->text, text.at, text.len);
    buf_fini(&text);
    j->entries[(size_t)seq % j->cap] = e;
    j->bytes += e->len;
    j->next++;
    return seq;
}

static struct journal_entry *find(const struct journal *j, int64_t seq)
{
    return seq >= j->first && seq < j->next ? j->entries[(size_t)seq % j->cap] : NULL;
}

void journal_finish(struct journal *j, int64_t seq, int status, int64_t left_ns)
{
    struct journal_entry *e = find(j, seq);
    if (!e)
        return;
    e->status = status;
    e->left_ns = left_ns;
}

bool journal_write(const struct journal *j, int64_t seq, struct buf *out)
{
    const struct journal_entry *e = find(j, seq);
    if (!e)
        return false;
    buf_add(out, str_make(e->text, e->len));
    buf_add(out, STR(",\"status\":"));
    if (e->status)
        buf_add_i64(out, e->status);
    else
        buf_add(out, STR("null"));
    buf_add(out, e->left_ns >= 0 ? STR(",\"client_left\":true,\"left_after_ms\":")
                                 : STR(",\"client_left\":false"));
    if (e->left_ns >= 0)
        buf_add_i64(out, e->left_ns / NS_PER_MS);
    buf_add_char(out, '}');
    return true;
}

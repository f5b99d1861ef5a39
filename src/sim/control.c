#include "sim/state.h"
#include "wire/url.h"

/*
 * What tests ask of the simulator itself. Needs no key: it is meant for a loopback address.
 * Lists may be long: they go out in parts, and entries that go meanwhile are left out.
 */
enum { PART_BYTES = 32 * 1024, SCRIPT_BYTES_MAX = 1 << 20 };

#define JSON_TYPE STR("Content-Type: application/json\r\n")

typedef bool write_fn(const struct sim *s, uint64_t number, struct buf *out);

static bool write_invoice(const struct sim *s, uint64_t number, struct buf *out)
{
    return invoice_write(&s->invoice, number, out);
}

static bool write_journal(const struct sim *s, uint64_t number, struct buf *out)
{
    return journal_write(&s->journal, (int64_t)number, out);
}

static enum err reply_failed(struct task *t, struct http_request *r, int status, struct str why)
{
    struct buf body = { 0 };
    buf_add(&body, STR("{\"error\":{\"message\":"));
    buf_add_json(&body, why);
    buf_add(&body, STR("}}\n"));
    enum err err = http_reply(t, r, status, JSON_TYPE, buf_str(&body));
    buf_fini(&body);
    return err;
}

static enum err send_list(struct task *t, const struct sim *s, struct http_request *r,
                          uint64_t from, uint64_t to, write_fn *write)
{
    struct buf part = { 0 }, entry = { 0 };
    struct str separator = STR("["), holding;
    if (url_query_get(&r->arena, r->head.query, "holding", &holding) != OK)
        return reply_failed(t, r, 400, STR("the query is malformed"));
    enum err err = http_reply_begin(t, r, 200, JSON_TYPE);
    for (uint64_t number = from; number < to && !err; number++) {
        buf_clear(&entry);
        if (!write(s, number, &entry) || str_find(buf_str(&entry), holding) == SIZE_MAX)
            continue;
        buf_add(&part, separator);
        buf_add(&part, buf_str(&entry));
        separator = STR(",\n");
        if (part.len < PART_BYTES)
            continue;
        err = http_reply_part(t, r, buf_str(&part));
        buf_clear(&part);
    }
    buf_add(&part, separator.at[0] == '[' ? STR("[]\n") : STR("]\n"));
    if (!err)
        err = http_reply_end(t, r, buf_str(&part));
    buf_fini(&part);
    buf_fini(&entry);
    return err;
}

static enum err list_invoice(struct task *t, struct sim *s, struct http_request *r)
{
    return send_list(t, s, r, s->invoice.first, s->invoice.next, write_invoice);
}

static enum err list_requests(struct task *t, struct sim *s, struct http_request *r)
{
    return send_list(t, s, r, (uint64_t)s->journal.first, (uint64_t)s->journal.next, write_journal);
}

static enum err reply_ok(struct task *t, struct http_request *r)
{
    return http_reply(t, r, 200, JSON_TYPE, STR("{\"ok\":true}\n"));
}

static enum err reset(struct task *t, struct sim *s, struct http_request *r)
{
    invoice_clear(&s->invoice);
    journal_clear(&s->journal);
    script_rewind(s->script);
    return reply_ok(t, r);
}

static enum err replace_script(struct task *t, struct sim *s, struct http_request *r)
{
    struct script *fresh = NULL;
    struct fail fail = { 0 };
    if (r->body.len > SCRIPT_BYTES_MAX)
        return reply_failed(t, r, 413, STR("a script has at most 1 MiB"));
    if (script_create(r->body, &fresh, &fail) != OK)
        return reply_failed(t, r, 400, str_of(fail.text));
    script_destroy(s->script);
    s->script = fresh;
    return reply_ok(t, r);
}

static const struct {
    const char *method, *path;
    enum err (*serve)(struct task *t, struct sim *s, struct http_request *r);
} routes[] = {
    { "GET", "/sim/invoice", list_invoice },
    { "GET", "/sim/requests", list_requests },
    { "POST", "/sim/reset", reset },
    { "POST", "/sim/script", replace_script },
};

enum err control_serve(struct task *t, struct sim *s, struct http_request *r)
{
    for (size_t i = 0; i < HZ_LEN(routes); i++) {
        if (str_is(r->head.path, routes[i].path) && str_is(r->head.method, routes[i].method))
            return routes[i].serve(t, s, r);
    }
    return reply_failed(t, r, 404,
                        STR("there is GET /sim/invoice, GET /sim/requests, POST /sim/reset, "
                            "POST /sim/script"));
}

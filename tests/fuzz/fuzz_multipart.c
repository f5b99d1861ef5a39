/* The first line is a Content-Type, the rest a body. Any split gives the same parts and the same
 * end; what was accepted is what a reading by whole lines without any cleverness finds, its data
 * borrows from the input or the parser, and it reads the same when it is written again. Parameters
 * are the same for a reader to whom a backslash says nothing, or malformed for it. */

#include "fuzz.h"

#include "wire/http1.h"
#include "wire/multipart.h"
#include "wire/params.h"

enum { PARTS = 6 };

/* So that limits are met by short inputs. */
static const struct multipart_limits small = { .head_bytes = 200, .headers = 4, .parts = PARTS, .epilogue_bytes = 9 };
static const struct multipart_limits large = { .head_bytes = 1 << 20, .headers = 4, .parts = PARTS, .epilogue_bytes = 9 };

struct part {
    struct buf name, filename, type, data;
    bool has_filename, has_type, is_ended;
};

struct outcome {
    struct part parts[PARTS];
    size_t len;
    enum err err;
    char delimiter[MULTIPART_BOUNDARY_MAX + 4];
    size_t delimiter_len;
};

static bool is_within(struct str inner, struct str outer)
{
    return inner.at >= outer.at && inner.at + inner.len <= outer.at + outer.len;
}

static void note(struct outcome *o, const struct multipart_event *e, struct str lenders[2])
{
    if (e->kind == MULTIPART_PART) {
        HZ_ASSERT(o->len < PARTS && (o->len == 0 || o->parts[o->len - 1].is_ended));
        struct part *p = &o->parts[o->len++];
        buf_add(&p->name, e->name);
        buf_add(&p->filename, e->filename);
        buf_add(&p->type, e->content_type);
        p->has_filename = e->filename.at;
        p->has_type = e->content_type.at;
        return;
    }
    HZ_ASSERT(o->len > 0 && !o->parts[o->len - 1].is_ended);
    struct part *p = &o->parts[o->len - 1];
    p->is_ended = e->kind == MULTIPART_PART_END;
    HZ_ASSERT(p->is_ended || (e->kind == MULTIPART_DATA && e->data.len > 0));
    HZ_ASSERT(p->is_ended || is_within(e->data, lenders[0]) || is_within(e->data, lenders[1]));
    buf_add(&p->data, e->data);
}

static void feed(struct outcome *o, struct multipart *m, struct str text)
{
    struct str piece = fuzz_copy(text), in = piece;
    struct str lenders[] = { piece, str_make(m->delimiter, m->delimiter_len) };
    struct multipart_event e;
    do {
        o->err = multipart_next(m, &in, &e);
        if (!o->err && e.kind != MULTIPART_MORE)
            note(o, &e, lenders);
    } while (!o->err && e.kind != MULTIPART_MORE);
    HZ_ASSERT(o->err || in.len == 0);
    HZ_ASSERT(m->head.len <= m->limits.head_bytes && m->matched <= m->delimiter_len);
    fuzz_free(piece);
}

static struct outcome read_form(struct str type, struct str body, const struct multipart_limits *limits, size_t step)
{
    struct outcome o = { 0 };
    struct fail fail = { 0 };
    struct multipart m;
    o.err = multipart_init(&m, type, limits, &fail);
    for (; body.len && !o.err; body = str_skip(body, step))
        feed(&o, &m, str_first(body, step));
    enum err end = multipart_end(&m);
    HZ_ASSERT(!o.err || end == o.err);
    o.err = end;
    HZ_ASSERT(fail.err == o.err && (fail.text[0] != '\0') == (o.err != OK));
    memcpy(o.delimiter, m.delimiter, sizeof(o.delimiter));
    o.delimiter_len = m.delimiter_len;
    multipart_fini(&m);
    return o;
}

static void free_outcome(struct outcome *o)
{
    for (size_t i = 0; i < o->len; i++) {
        buf_fini(&o->parts[i].name);
        buf_fini(&o->parts[i].filename);
        buf_fini(&o->parts[i].type);
        buf_fini(&o->parts[i].data);
    }
}

static void check_same(const struct outcome *a, const struct outcome *b)
{
    HZ_ASSERT(a->err == b->err && a->len == b->len);
    for (size_t i = 0; i < a->len; i++) {
        const struct part *x = &a->parts[i], *y = &b->parts[i];
        HZ_ASSERT(x->has_filename == y->has_filename && x->has_type == y->has_type && x->is_ended == y->is_ended);
        HZ_ASSERT(str_eq(buf_str(&x->name), buf_str(&y->name)) && str_eq(buf_str(&x->type), buf_str(&y->type)));
        HZ_ASSERT(str_eq(buf_str(&x->filename), buf_str(&y->filename)));
        /* Of a part that broke off it depends on the split how much was reported. */
        size_t len = x->is_ended ? SIZE_MAX : HZ_MIN(x->data.len, y->data.len);
        HZ_ASSERT(str_eq(str_first(buf_str(&x->data), len), str_first(buf_str(&y->data), len)));
    }
}

static void check_plainly(const struct outcome *o, struct str body)
{
    struct str delimiter = str_make(o->delimiter, o->delimiter_len), dashes = str_skip(delimiter, 2);
    body = str_skip(body, str_starts(body, STR("\r\n")) ? 2 : 0);
    for (size_t i = 0; i < o->len; i++) {
        HZ_ASSERT(str_starts(body, dashes));
        body = str_skip(body, dashes.len);
        HZ_ASSERT(str_starts(body, STR("\r\n")) && !str_starts(body, STR("\r\n\r\n")));
        body = str_skip(body, str_find(body, STR("\r\n\r\n")) + 4);
        struct str data = str_first(body, str_find(body, delimiter));
        HZ_ASSERT(data.len < body.len && str_eq(data, buf_str(&o->parts[i].data)) && o->parts[i].is_ended);
        body = str_skip(body, data.len + 2);
    }
    HZ_ASSERT(str_starts(body, dashes) && str_starts(str_skip(body, dashes.len), STR("--")));
}

static void write_name(struct buf *out, const char *param, struct str text)
{
    buf_addf(out, "; %s=\"", param);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        HZ_ASSERT((unsigned char)c >= ' ' || c == '\r' || c == '\n');
        if (c == '"' || c == '\r' || c == '\n')
            buf_addf(out, "%%%02X", (unsigned)c);
        else if (c == '\\')
            buf_add(out, STR("\\\\"));
        else
            buf_add_char(out, c);
    }
    buf_add_char(out, '"');
}

static void check_again(const struct outcome *o)
{
    struct buf type = { 0 }, body = { 0 };
    struct str dashes = str_make(o->delimiter + 2, o->delimiter_len - 2);
    buf_addf(&type, "multipart/form-data; boundary=\"%.*s\"", STR_ARG(str_skip(dashes, 2)));
    for (size_t i = 0; i < o->len; i++) {
        const struct part *p = &o->parts[i];
        buf_addf(&body, "%.*s\r\nContent-Disposition: form-data", STR_ARG(dashes));
        write_name(&body, "name", buf_str(&p->name));
        if (p->has_filename)
            write_name(&body, "filename", buf_str(&p->filename));
        if (p->has_type) {
            buf_add(&body, STR("\r\nContent-Type: "));
            buf_add(&body, buf_str(&p->type));
        }
        buf_add(&body, STR("\r\n\r\n"));
        buf_add(&body, buf_str(&p->data));
        buf_add(&body, STR("\r\n"));
    }
    buf_addf(&body, "%.*s--", STR_ARG(dashes));
    struct outcome again = read_form(buf_str(&type), buf_str(&body), &large, 11);
    check_same(o, &again);
    free_outcome(&again);
    buf_fini(&type);
    buf_fini(&body);
}

/* Reads one parameter as if backslashes were letters; false when it is malformed then. */
static bool take_plain(struct str *rest, struct param *out)
{
    *out = (struct param) { 0 };
    *rest = str_trim(str_skip(*rest, 1));
    if (rest->len == 0 || rest->at[0] == ';')
        return true;
    out->name = str_first(*rest, str_find_char(*rest, '='));
    *rest = str_skip(*rest, out->name.len + 1);
    bool is_quoted = rest->len && rest->at[0] == '"';
    *rest = str_skip(*rest, is_quoted ? 1 : 0);
    out->value = str_first(*rest, str_find_char(*rest, is_quoted ? '"' : ';'));
    if (is_quoted && out->value.len == rest->len)
        return false;
    *rest = str_trim(str_skip(*rest, out->value.len + (is_quoted ? 1 : 0)));
    out->value = is_quoted ? out->value : str_trim(out->value);
    return http1_is_token(out->name) && (is_quoted || http1_is_token(out->value)) &&
           (rest->len == 0 || rest->at[0] == ';');
}

static void check_params(struct str value)
{
    struct params p;
    struct param plain;
    struct fail fail = { 0 };
    if (params_read(value, &p, &fail))
        return;
    struct str rest = str_skip(value, str_find_char(value, ';'));
    size_t found = 0;
    bool is_malformed = false, is_same = true;
    while (rest.len && !is_malformed) {
        is_malformed = !take_plain(&rest, &plain);
        if (is_malformed || plain.name.len == 0)
            continue;
        is_same = is_same && found < p.len && p.at[found].value.at == plain.value.at &&
                  p.at[found].value.len == plain.value.len;
        found++;
    }
    HZ_ASSERT(is_malformed || (is_same && found == p.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str body = { (const char *)data, size }, type = str_cut(&body, '\n');
    check_params(type);
    struct outcome whole = read_form(type, body, &small, size + 1);
    for (size_t step = 1; step < 6; step++) {
        struct outcome split = read_form(type, body, &small, step);
        check_same(&whole, &split);
        free_outcome(&split);
    }
    if (whole.err == OK) {
        check_plainly(&whole, body);
        check_again(&whole);
    }
    free_outcome(&whole);
    return 0;
}

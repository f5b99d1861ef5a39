#include "wire/sse.h"

#include "wire/scan.h"

/*
 * The unit is the block: the lines of one event up to and with the first byte that ends its blank
 * line. A block inside one feed is read in place; one that is split gathers in `rest`, byte for
 * byte, so that its length, and with it the limit, does not depend on the split.
 */

enum { DEFAULT_LIMIT = 1 << 20 };

#define BOM STR("\xEF\xBB\xBF")

void sse_fini(struct sse_reader *r)
{
    if (!r)
        return;
    buf_fini(&r->rest);
    buf_fini(&r->joined);
}

static bool is_line_end(char c)
{
    return c == '\n' || c == '\r';
}

static struct str cut_line(struct str *block)
{
    const byte *start = (const byte *)block->at, *end = start + block->len;
    const byte *at = scan_line_end(start, end);
    struct str line = str_make(block->at, (size_t)(at - start));
    bool is_crlf = end - at >= 2 && at[0] == '\r' && at[1] == '\n';
    *block = str_skip(*block, line.len + (is_crlf ? 2 : 1));
    return line;
}

static void take_data(struct sse_reader *r, struct str value, struct sse_event *out)
{
    if (!out->has_data) {
        out->data = value;
        out->has_data = true;
        return;
    }
    if (r->joined.len == 0)
        buf_add(&r->joined, out->data);
    buf_add_char(&r->joined, '\n');
    buf_add(&r->joined, value);
    out->data = buf_str(&r->joined);
}

static bool read_block(struct sse_reader *r, struct str block, struct sse_event *out)
{
    *out = (struct sse_event) { 0 };
    if (!r->is_started && str_starts(block, BOM))
        block = str_skip(block, BOM.len);
    r->is_started = true;
    while (block.len) {
        struct str line = cut_line(&block);
        struct str name = str_first(line, str_find_char(line, ':'));
        struct str value = str_skip(line, name.len + 1);
        if (value.len && value.at[0] == ' ')
            value = str_skip(value, 1);
        if (str_eq(name, STR("data")))
            take_data(r, value, out);
        else if (str_eq(name, STR("event")))
            out->type = value;
    }
    return out->has_data || out->type.at;
}

/* Length up to and with the byte that completes a block, or 0. `before` is the byte before s, LF at
 * the start of a block. */
static size_t block_len(struct str s, char before)
{
    const byte *start = (const byte *)s.at, *end = start + s.len, *at = start;
    bool is_line_start = is_line_end(before);
    while (at < end) {
        if (before == '\r' && *at == '\n') {
            before = *(const char *)at++;
            continue;
        }
        const byte *line_end = scan_line_end(at, end);
        if (line_end == end)
            return 0;
        if (line_end == at && is_line_start)
            return (size_t)(at - start) + 1;
        before = (char)*line_end;
        at = line_end + 1;
        is_line_start = true;
    }
    return 0;
}

/* Also takes the LF of a CR LF whose CR ended the block before. */
static void skip_blank_lines(struct sse_reader *r, struct str *in)
{
    while (in->len && is_line_end(in->at[0])) {
        *in = str_skip(*in, 1);
        r->is_started = true;
    }
}

static struct str take_block(struct sse_reader *r, struct str *in)
{
    if (r->rest.len == 0)
        skip_blank_lines(r, in);
    char before = r->rest.len ? r->rest.at[r->rest.len - 1] : '\n';
    size_t len = in->len ? block_len(*in, before) : 0;
    struct str taken = len ? str_first(*in, len) : *in;
    *in = str_skip(*in, taken.len);
    if (len && r->rest.len == 0)
        return taken;
    buf_add(&r->rest, taken);
    return len ? buf_str(&r->rest) : STR_NONE;
}

/* Blocks that were handed out, or had nothing in them. */
static void drop_lent(struct sse_reader *r)
{
    if (r->is_lent)
        sse_fini(r);
    r->is_lent = false;
}

enum err sse_next(struct sse_reader *r, struct str *in, struct sse_event *out, bool *is_event)
{
    size_t limit = r->event_limit ? r->event_limit : DEFAULT_LIMIT;
    *is_event = false;
    drop_lent(r);
    while (in->len && !*is_event) {
        struct str block = take_block(r, in);
        if (block.len > limit || r->rest.len > limit)
            return ERR_TOO_LARGE;
        if (!block.len)
            break;
        *is_event = read_block(r, block, out);
        r->is_lent = true;
        if (!*is_event)
            drop_lent(r);
    }
    return OK;
}

enum err sse_finish(struct sse_reader *r, struct sse_event *out, bool *is_event)
{
    drop_lent(r);
    *is_event = r->rest.len && read_block(r, buf_str(&r->rest), out);
    r->is_lent = true;
    return OK;
}

void sse_write_data(struct buf *out, struct str data)
{
    buf_add(out, STR("data: "));
    buf_add(out, data);
    buf_add(out, STR("\n\n"));
}

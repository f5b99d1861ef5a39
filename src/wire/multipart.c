#include "wire/multipart.h"

#include "wire/http1.h"
#include "wire/params.h"
#include "wire/scan.h"

#define CRLF STR("\r\n")

enum form_state {
    FORM_START,
    FORM_FIRST,     /* in the first delimiter */
    FORM_DELIMITED, /* behind a delimiter */
    FORM_DASH,      /* behind its first dash */
    FORM_CR,        /* behind its CR */
    FORM_HEAD,
    FORM_DATA_START, /* a boundary may not stand here */
    FORM_DATA,
    FORM_LAST, /* behind the last delimiter */
    FORM_LAST_CR,
    FORM_EPILOGUE,
    FORM_STATES
};

/* Takes from the front of *in, which is not empty, or changes the state. */
typedef enum err form_fn(struct multipart *m, struct str *in, struct multipart_event *out);

static enum err refuse(struct multipart *m, const char *why)
{
    return fail_set(m->fail, ERR_BAD_REQUEST, "%s", why);
}

static enum err refuse_size(struct multipart *m, const char *what, size_t limit)
{
    return fail_set(m->fail, ERR_TOO_LARGE, "the form has %s than %zu", what, limit);
}

static bool is_boundary(struct str s)
{
    if (s.len == 0 || s.len > MULTIPART_BOUNDARY_MAX || s.at[s.len - 1] == ' ')
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char folded = (char)(s.at[i] | 0x20);
        bool is_letter = folded >= 'a' && folded <= 'z';
        bool is_digit = s.at[i] >= '0' && s.at[i] <= '9';
        if (!is_letter && !is_digit && str_find_char(STR("'()+_,-./:=? "), s.at[i]) == SIZE_MAX)
            return false;
    }
    return true;
}

/* ---- the head of a part ---- */

enum part_header { PART_DISPOSITION, PART_TYPE, PART_ENCODING, PART_HEADERS };

static const char *const part_headers[PART_HEADERS] = {
    [PART_DISPOSITION] = "Content-Disposition",
    [PART_TYPE] = "Content-Type",
    [PART_ENCODING] = "Content-Transfer-Encoding",
};

static const struct {
    const char *sent;
    char meant;
} escapes[] = {
    { "%22", '"' }, { "%0D", '\r' }, { "%0A", '\n' }, { "\\\"", '"' }, { "\\\\", '\\' },
};

/* In place, in the part's head. */
static enum err decode_name(struct multipart *m, struct str *text)
{
    struct str rest = *text;
    const byte *start = (const byte *)rest.at;
    if (rest.len == 0)
        return OK;
    if (scan_control(start, start + rest.len) != start + rest.len)
        return refuse(m, "the name or filename of a part has a control character");
    char *out = m->head.at + (rest.at - m->head.at);
    text->len = 0;
    while (rest.len) {
        char meant = rest.at[0];
        size_t sent = 1;
        for (size_t i = 0; i < HZ_LEN(escapes) && sent == 1; i++) {
            if (str_starts(rest, str_of(escapes[i].sent))) {
                sent = strlen(escapes[i].sent);
                meant = escapes[i].meant;
            }
        }
        out[text->len++] = meant;
        rest = str_skip(rest, sent);
    }
    return OK;
}

static enum err read_disposition(struct multipart *m, struct str value, struct multipart_event *out)
{
    struct params params;
    if (!value.at)
        return refuse(m, "a part has no Content-Disposition");
    enum err err = params_read(value, &params, m->fail);
    if (err)
        return err;
    if (!str_eq_nocase(params.type, STR("form-data")))
        return refuse(m, "the Content-Disposition of a part is not form-data");
    out->name = params_get(&params, STR("name"));
    out->filename = params_get(&params, STR("filename"));
    if (!out->name.at)
        return refuse(m, "a part has no name");
    err = decode_name(m, &out->name);
    return err ? err : decode_name(m, &out->filename);
}

static bool is_plain(struct str encoding)
{
    return !encoding.at || str_eq_nocase(encoding, STR("7bit")) ||
           str_eq_nocase(encoding, STR("8bit")) || str_eq_nocase(encoding, STR("binary"));
}

/* A line without its line end; `known` holds the values of the headers that mean something. */
static enum err read_header(struct multipart *m, struct str line, struct str known[PART_HEADERS])
{
    struct str value = line, name = str_cut(&value, ':');
    if (!value.at || !http1_is_token(name) || !http1_is_field_value(value))
        return refuse(m, "a line of a part's head is not a name, a colon and a value");
    for (int i = 0; i < PART_HEADERS; i++) {
        if (!str_eq_nocase(name, str_of(part_headers[i])))
            continue;
        if (known[i].at)
            return refuse(m, "a header of a part comes twice");
        known[i] = str_trim(value);
    }
    return OK;
}

static enum err read_head(struct multipart *m, struct multipart_event *out)
{
    struct str rest = buf_str(&m->head), known[PART_HEADERS] = { 0 };
    size_t headers = 0;
    enum err err = OK;
    while (!err && rest.len > CRLF.len) {
        struct str line = str_cut(&rest, '\n');
        if (headers++ == m->limits.headers)
            return refuse_size(m, "a part with more headers", m->limits.headers);
        err = read_header(m, str_first(line, line.len - 1), known);
    }
    if (!err && !is_plain(known[PART_ENCODING]))
        err = refuse(m, "the Content-Transfer-Encoding of a part is not 7bit, 8bit or binary");
    if (!err && str_eq_nocase(str_first(known[PART_TYPE], 10), STR("multipart/")))
        err = refuse(m, "a part is itself multipart");
    if (!err)
        err = read_disposition(m, known[PART_DISPOSITION], out);
    out->content_type = known[PART_TYPE];
    out->kind = MULTIPART_PART;
    return err;
}

static enum err form_head(struct multipart *m, struct str *in, struct multipart_event *out)
{
    size_t lf = str_find_char(*in, '\n');
    struct str piece = str_first(*in, lf == SIZE_MAX ? in->len : lf + 1);
    if (buf_try_add(&m->head, piece))
        return refuse_size(m, "a part with a head of more bytes", m->limits.head_bytes);
    *in = str_skip(*in, piece.len);
    if (lf == SIZE_MAX)
        return OK;
    struct str line = str_skip(buf_str(&m->head), m->line);
    if (!str_ends(line, CRLF))
        return refuse(m, "a line of a part's head does not end with CR LF");
    m->line = m->head.len;
    if (line.len > CRLF.len)
        return OK;
    m->state = FORM_DATA_START;
    m->matched = CRLF.len;
    return read_head(m, out);
}

/* ---- delimiters and data ---- */

static bool take_byte(struct str *in, char expected)
{
    bool is_there = in->at[0] == expected;
    *in = str_skip(*in, is_there ? 1 : 0);
    return is_there;
}

/* Goes on in the delimiter that has begun; true when it is whole. Leaves a byte that differs. */
static bool match(struct multipart *m, struct str *in)
{
    while (in->len && m->matched < m->delimiter_len && take_byte(in, m->delimiter[m->matched]))
        m->matched++;
    return m->matched == m->delimiter_len;
}

/* How many bytes at the end of `s` may begin a delimiter. It has no CR but its first byte, so only
 * the last CR can be that. */
static size_t begun(const struct multipart *m, struct str s)
{
    size_t most = HZ_MIN(s.len, m->delimiter_len - 1);
    for (size_t len = 1; len <= most; len++) {
        struct str tail = str_skip(s, s.len - len);
        if (tail.at[0] == '\r')
            return str_eq(tail, str_make(m->delimiter, len)) ? len : 0;
    }
    return 0;
}

static void give(struct multipart_event *out, struct str data)
{
    out->kind = data.len ? MULTIPART_DATA : MULTIPART_MORE;
    out->data = data;
}

static enum err form_start(struct multipart *m, struct str *in, struct multipart_event *out)
{
    (void)out;
    m->matched = in->at[0] == '\r' ? 0 : CRLF.len;
    m->state = FORM_FIRST;
    return OK;
}

static enum err form_first(struct multipart *m, struct str *in, struct multipart_event *out)
{
    (void)out;
    if (match(m, in))
        m->state = FORM_DELIMITED;
    else if (in->len)
        return refuse(m, "the form does not begin with its boundary");
    return OK;
}

/* The line end before the delimiter is the empty line of the head. */
static enum err form_data_start(struct multipart *m, struct str *in, struct multipart_event *out)
{
    if (match(m, in))
        return refuse(m, "a boundary follows the head of a part without an empty line");
    if (in->len == 0)
        return OK;
    give(out, str_make(m->delimiter + CRLF.len, m->matched - CRLF.len));
    m->state = FORM_DATA;
    m->matched = 0;
    return OK;
}

/* What began a delimiter and does not go on is data: the same bytes as in the delimiter. */
static enum err go_on(struct multipart *m, struct str *in, struct multipart_event *out)
{
    if (match(m, in))
        m->state = FORM_DELIMITED;
    else if (in->len) {
        give(out, str_make(m->delimiter, m->matched));
        m->matched = 0;
    }
    return OK;
}

static enum err form_data(struct multipart *m, struct str *in, struct multipart_event *out)
{
    if (m->matched)
        return go_on(m, in, out);
    size_t len = str_find(*in, str_make(m->delimiter, m->delimiter_len));
    m->matched = len == SIZE_MAX ? begun(m, *in) : m->delimiter_len;
    if (len == SIZE_MAX)
        len = in->len - m->matched;
    else
        m->state = FORM_DELIMITED;
    give(out, str_first(*in, len));
    *in = str_skip(*in, len + m->matched);
    return OK;
}

static void end_part(struct multipart *m, struct multipart_event *out)
{
    out->kind = m->parts ? MULTIPART_PART_END : MULTIPART_MORE;
}

static enum err form_delimited(struct multipart *m, struct str *in, struct multipart_event *out)
{
    (void)out;
    m->state = in->at[0] == '-' ? FORM_DASH : FORM_CR;
    if (!take_byte(in, '-') && !take_byte(in, '\r'))
        return refuse(m, "a boundary is followed by neither CR LF nor '--'");
    return OK;
}

static enum err form_dash(struct multipart *m, struct str *in, struct multipart_event *out)
{
    if (!take_byte(in, '-'))
        return refuse(m, "a boundary is followed by neither CR LF nor '--'");
    end_part(m, out);
    m->state = FORM_LAST;
    return OK;
}

static enum err form_cr(struct multipart *m, struct str *in, struct multipart_event *out)
{
    if (!take_byte(in, '\n'))
        return refuse(m, "a boundary is followed by neither CR LF nor '--'");
    if (m->parts == m->limits.parts)
        return refuse_size(m, "more parts", m->limits.parts);
    end_part(m, out);
    m->parts++;
    buf_clear(&m->head);
    m->line = 0;
    m->state = FORM_HEAD;
    return OK;
}

static enum err form_last(struct multipart *m, struct str *in, struct multipart_event *out)
{
    (void)out;
    char expected = m->state == FORM_LAST ? '\r' : '\n';
    if (!take_byte(in, expected))
        return refuse(m, "the last boundary is followed by something else than CR LF");
    m->state = m->state == FORM_LAST ? FORM_LAST_CR : FORM_EPILOGUE;
    return OK;
}

static enum err form_epilogue(struct multipart *m, struct str *in, struct multipart_event *out)
{
    (void)out;
    m->epilogue_bytes += in->len;
    *in = str_skip(*in, in->len);
    if (m->epilogue_bytes > m->limits.epilogue_bytes)
        return refuse_size(m, "more bytes behind its end", m->limits.epilogue_bytes);
    return OK;
}

static form_fn *const form_steps[FORM_STATES] = {
    [FORM_START] = form_start,
    [FORM_FIRST] = form_first,
    [FORM_DELIMITED] = form_delimited,
    [FORM_DASH] = form_dash,
    [FORM_CR] = form_cr,
    [FORM_HEAD] = form_head,
    [FORM_DATA_START] = form_data_start,
    [FORM_DATA] = form_data,
    [FORM_LAST] = form_last,
    [FORM_LAST_CR] = form_last,
    [FORM_EPILOGUE] = form_epilogue,
};

/* ---- interface ---- */

enum err multipart_init(struct multipart *m, struct str content_type,
                        const struct multipart_limits *limits, struct fail *fail)
{
    struct params params;
    HZ_ASSERT(limits->head_bytes > 0);
    *m = (struct multipart) { .limits = *limits, .fail = fail, .head.limit = limits->head_bytes };
    m->err = params_read(content_type, &params, fail);
    if (m->err)
        return m->err;
    struct str boundary = params_get(&params, STR("boundary"));
    if (!str_eq_nocase(params.type, STR("multipart/form-data")))
        m->err = refuse(m, "the Content-Type is not multipart/form-data");
    else if (!is_boundary(boundary))
        m->err = refuse(m, "the Content-Type has no boundary of 1 to 70 allowed characters");
    if (m->err)
        return m->err;
    m->delimiter_len = boundary.len + 4;
    memcpy(m->delimiter, "\r\n--", 4);
    memcpy(m->delimiter + 4, boundary.at, boundary.len);
    return OK;
}

void multipart_fini(struct multipart *m)
{
    if (m)
        buf_fini(&m->head);
}

enum err multipart_next(struct multipart *m, struct str *in, struct multipart_event *out)
{
    *out = (struct multipart_event) { 0 };
    while (!m->err && in->len && out->kind == MULTIPART_MORE)
        m->err = form_steps[m->state](m, in, out);
    if (m->err)
        *out = (struct multipart_event) { 0 };
    return m->err;
}

enum err multipart_end(struct multipart *m)
{
    if (!m->err && m->state != FORM_LAST && m->state != FORM_EPILOGUE)
        m->err = refuse(m, "the form ends before its last boundary");
    return m->err;
}

#include "wire/http1.h"

#include "wire/authority.h"
#include "wire/scan.h"

enum { LENGTH_DIGITS_MAX = 18 }; /* fits int64_t */

/* What the headers say about the message itself. */
struct facts {
    unsigned hosts, lengths, codings, expects;
    struct str host, length, coding, expect;
    bool says_close;
};

struct parser {
    const byte *at;
    const byte *end;
    const struct http1_limits *limits;
    struct http_head *head;
    int major_version;
    struct facts facts;
    struct fail *fail;
};

static const char no_version[] = "the HTTP version is neither HTTP/1.1 nor HTTP/1.0";

static const byte is_tchar[256] = {
    ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1, ['!'] = 1, ['#'] = 1, ['$'] = 1,
    ['%'] = 1,         ['&'] = 1,         ['\''] = 1,        ['*'] = 1, ['+'] = 1, ['-'] = 1,
    ['.'] = 1,         ['^'] = 1,         ['_'] = 1,         ['`'] = 1, ['|'] = 1, ['~'] = 1,
};

static enum err bad(struct parser *p, const char *why)
{
    return fail_set(p->fail, ERR_BAD_HTTP, "%s", why);
}

static struct str slice(const byte *from, const byte *to)
{
    return str_make((const char *)from, (size_t)(to - from));
}

static struct str while_in(const byte table[256], struct str s)
{
    size_t n = 0;
    while (n < s.len && table[(byte)s.at[n]])
        n++;
    return str_first(s, n);
}

static struct str trim_blanks(struct str s)
{
    while (s.len && (s.at[0] == ' ' || s.at[0] == '\t'))
        s = str_skip(s, 1);
    while (s.len && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t'))
        s.len--;
    return s;
}

bool http1_is_token(struct str s)
{
    return s.len > 0 && while_in(is_tchar, s).len == s.len;
}

/* The end of text without control characters except HTAB. */
static const byte *skip_text(const byte *at, const byte *end)
{
    at = scan_control(at, end);
    while (at < end && *at == '\t')
        at = scan_control(at + 1, end);
    return at;
}

bool http1_is_field_value(struct str s)
{
    if (s.len == 0)
        return true;
    const byte *end = (const byte *)s.at + s.len;
    return skip_text((const byte *)s.at, end) == end;
}

/* ---- pieces of lines; ERR_AGAIN when the bytes end first ---- */

static enum err take_literal(struct parser *p, struct str literal, const char *why)
{
    for (size_t i = 0; i < literal.len; i++, p->at++) {
        if (p->at == p->end)
            return ERR_AGAIN;
        if (*p->at != (byte)literal.at[i])
            return bad(p, why);
    }
    return OK;
}

static enum err take_digit(struct parser *p, int *digit)
{
    if (p->at == p->end)
        return ERR_AGAIN;
    if (*p->at < '0' || *p->at > '9')
        return bad(p, no_version);
    *digit = *p->at++ - '0';
    return OK;
}

/* Any version there may be (RFC 9112 §2.3); whether we speak it is asked once its line is whole. */
static enum err take_version(struct parser *p)
{
    enum err err = take_literal(p, STR("HTTP/"), no_version);
    if (!err)
        err = take_digit(p, &p->major_version);
    if (!err)
        err = take_literal(p, STR("."), no_version);
    if (!err)
        err = take_digit(p, &p->head->minor_version);
    return err;
}

static bool is_version_known(const struct parser *p)
{
    return p->major_version == 1 && p->head->minor_version <= 1;
}

static enum err take_method(struct parser *p)
{
    p->head->method = while_in(is_tchar, slice(p->at, p->end));
    p->at += p->head->method.len;
    if (p->at == p->end)
        return ERR_AGAIN;
    if (p->head->method.len == 0 || *p->at != ' ')
        return bad(p, "the request line does not begin with a method and one space");
    p->at++;
    return OK;
}

static bool is_visible(byte c)
{
    return c > ' ' && c < 0x7F;
}

static enum err take_target(struct parser *p)
{
    const byte *start = p->at;
    while (p->at < p->end && is_visible(*p->at))
        p->at++;
    p->head->target = slice(start, p->at);
    if (p->head->target.len > p->limits->target_bytes)
        return fail_set(p->fail, ERR_URI_TOO_LONG, "the request target is longer than %zu bytes",
                        p->limits->target_bytes);
    if (p->at == p->end)
        return ERR_AGAIN;
    if (*p->at == '\r' && p->head->target.len)
        return bad(p, "the request line has no HTTP version (HTTP/0.9 is not served)");
    if (*p->at != ' ' || p->head->target.len == 0)
        return bad(p, "the request target is empty or has a character to be percent-encoded");
    p->at++;
    return OK;
}

static enum err take_status(struct parser *p)
{
    int status = 0;
    for (int i = 0; i < 3; i++, p->at++) {
        if (p->at == p->end)
            return ERR_AGAIN;
        if (*p->at < '0' || *p->at > '9')
            return bad(p, "the status is not three digits");
        status = status * 10 + (*p->at - '0');
    }
    if (status < 100 || status > 599)
        return bad(p, "the status is not between 100 and 599");
    p->head->status = status;
    if (p->at == p->end)
        return ERR_AGAIN;
    if (*p->at == '\r')
        return OK;
    if (*p->at != ' ')
        return bad(p, "the status is not three digits");
    const byte *start = ++p->at;
    p->at = skip_text(start, p->end);
    p->head->reason = slice(start, p->at);
    return OK;
}

static enum err take_line_end(struct parser *p)
{
    return take_literal(p, STR("\r\n"),
                        "a line has a control character or does not end with CR LF");
}

/* ---- headers ---- */

static bool has_list_member(struct str list, struct str member)
{
    while (list.at) {
        if (str_eq_nocase(trim_blanks(str_cut(&list, ',')), member))
            return true;
    }
    return false;
}

static void note_fact(struct facts *f, const struct http_header *h)
{
    struct str name = h->name;
    switch (name.len) {
    case 4:
        if (str_eq_nocase(name, STR("host")) && f->hosts++ == 0)
            f->host = h->value;
        break;
    case 6:
        if (str_eq_nocase(name, STR("expect")) && f->expects++ == 0)
            f->expect = h->value;
        break;
    case 10:
        if (str_eq_nocase(name, STR("connection")) && has_list_member(h->value, STR("close")))
            f->says_close = true;
        break;
    case 14:
        if (str_eq_nocase(name, STR("content-length")) && f->lengths++ == 0)
            f->length = h->value;
        break;
    case 17:
        if (str_eq_nocase(name, STR("transfer-encoding")) && f->codings++ == 0)
            f->coding = h->value;
        break;
    default: break;
    }
}

static enum err take_header(struct parser *p)
{
    struct http_header h;
    h.name = while_in(is_tchar, slice(p->at, p->end));
    p->at += h.name.len;
    if (p->at == p->end)
        return ERR_AGAIN;
    if (*p->at != ':' || h.name.len == 0)
        return bad(p, h.name.len ? "a header's name is not followed by its colon at once"
                                 : "a header line begins with white space or has no name");
    const byte *start = ++p->at;
    p->at = skip_text(start, p->end);
    h.value = trim_blanks(slice(start, p->at));
    enum err err = take_line_end(p);
    if (err)
        return err;
    if (p->head->headers_len == p->limits->headers)
        return fail_set(p->fail, ERR_HEAD_TOO_LARGE, "there are more than %zu headers",
                        p->limits->headers);
    p->head->headers[p->head->headers_len++] = h;
    note_fact(&p->facts, &h);
    return OK;
}

static enum err take_headers(struct parser *p)
{
    enum err err = OK;
    while (!err) {
        if (p->at == p->end)
            return ERR_AGAIN;
        if (*p->at == '\r')
            return take_line_end(p);
        err = take_header(p);
    }
    return err;
}

/* ---- framing ---- */

/* RFC 9112 §6.1: a list that ends with "chunked" could be understood, just not by us; anything else
 * leaves the length of the body unknown. */
static enum err refuse_coding(struct parser *p)
{
    struct str rest = p->facts.coding, member = STR_NONE;
    while (rest.at) {
        member = trim_blanks(str_cut(&rest, ','));
        bool is_last = !rest.at, is_chunked = str_eq_nocase(member, STR("chunked"));
        if (!http1_is_token(member) || is_chunked != is_last)
            return bad(p, "the Transfer-Encoding is not exactly 'chunked'");
    }
    return fail_set(p->fail, ERR_NOT_IMPLEMENTED,
                    "no Transfer-Encoding but 'chunked' is supported");
}

static enum err read_length(struct parser *p)
{
    struct str digits = p->facts.length;
    int64_t length = 0;
    if (p->facts.lengths > 1)
        return bad(p, "there is more than one Content-Length");
    if (digits.len == 0 || digits.len > LENGTH_DIGITS_MAX)
        return bad(p, "the Content-Length is not a plain decimal number");
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.at[i] < '0' || digits.at[i] > '9')
            return bad(p, "the Content-Length is not a plain decimal number");
        length = length * 10 + (digits.at[i] - '0');
    }
    p->head->framing = FRAMING_LENGTH;
    p->head->content_length = length;
    return OK;
}

/* Sets the framing where the headers state one. */
static enum err read_framing(struct parser *p)
{
    if (p->facts.codings && p->facts.lengths)
        return bad(p, "Content-Length and Transfer-Encoding stand together");
    if (p->facts.lengths)
        return read_length(p);
    if (!p->facts.codings)
        return OK;
    if (p->facts.codings > 1)
        return bad(p, "there is more than one Transfer-Encoding");
    if (p->head->minor_version == 0)
        return bad(p, "HTTP/1.0 has no Transfer-Encoding");
    if (!str_eq_nocase(p->facts.coding, STR("chunked")))
        return refuse_coding(p);
    p->head->framing = FRAMING_CHUNKED;
    return OK;
}

/* ---- Host and target ---- */

static bool is_same_authority(struct authority a, struct authority b, int default_port)
{
    int port_a = a.port < 0 ? default_port : a.port;
    int port_b = b.port < 0 ? default_port : b.port;
    return str_eq_nocase(a.host, b.host) && port_a == port_b;
}

static void split_target(struct http_head *head, struct str path_and_query)
{
    head->path = path_and_query;
    size_t mark = str_find_char(path_and_query, '?');
    if (mark != SIZE_MAX) {
        head->path = str_first(path_and_query, mark);
        head->query = str_skip(path_and_query, mark + 1);
    }
    if (head->path.len == 0)
        head->path = STR("/");
}

static enum err read_absolute_target(struct parser *p, struct str target,
                                     const struct authority *host)
{
    bool is_tls = target.len >= 8 && str_eq_nocase(str_first(target, 8), STR("https://"));
    bool is_plain = target.len >= 7 && str_eq_nocase(str_first(target, 7), STR("http://"));
    if (!is_tls && !is_plain)
        return bad(p, "the request target begins neither with '/' nor with http:// or https://");
    target = str_skip(target, is_tls ? 8 : 7);
    size_t len = 0;
    while (len < target.len && target.at[len] != '/' && target.at[len] != '?')
        len++;
    struct authority authority;
    if (!authority_parse(str_first(target, len), &authority))
        return bad(p, "the request target has a malformed host");
    if (p->facts.hosts && !is_same_authority(authority, *host, is_tls ? 443 : 80))
        return bad(p, "the request target and the Host header disagree");
    split_target(p->head, str_skip(target, len));
    return OK;
}

static enum err read_target(struct parser *p, const struct authority *host)
{
    struct str target = p->head->target;
    if (str_eq(p->head->method, STR("CONNECT")))
        return fail_set(p->fail, ERR_NOT_IMPLEMENTED, "the method CONNECT is not supported");
    if (str_find_char(target, '#') != SIZE_MAX)
        return bad(p, "the request target has a fragment");
    if (target.at[0] == '/') {
        split_target(p->head, target);
        return OK;
    }
    if (!str_eq(target, STR("*")))
        return read_absolute_target(p, target, host);
    if (!str_eq(p->head->method, STR("OPTIONS")))
        return bad(p, "the request target '*' goes with OPTIONS only");
    p->head->path = target;
    return OK;
}

static enum err read_host(struct parser *p, struct authority *host)
{
    if (p->facts.hosts > 1)
        return bad(p, "there is more than one Host header");
    if (p->facts.hosts == 0)
        return p->head->minor_version == 0 ? OK : bad(p, "there is no Host header");
    return authority_parse(p->facts.host, host) ? OK
                                                : bad(p, "the Host header is empty or malformed");
}

/* RFC 9110 §10.1.1: from an HTTP/1.0 client the expectation is ignored. */
static enum err read_expect(struct parser *p)
{
    if (p->facts.expects == 0)
        return OK;
    if (p->facts.expects > 1 || !str_eq_nocase(p->facts.expect, STR("100-continue")))
        return fail_set(p->fail, ERR_EXPECT, "only 'Expect: 100-continue' is understood");
    p->head->expects_continue = p->head->minor_version == 1 && p->head->framing != FRAMING_NONE;
    return OK;
}

/* ---- whole heads ---- */

static void parser_init(struct parser *p, struct str bytes, const struct http1_limits *limits,
                        struct http_head *out, struct fail *fail)
{
    *out = (struct http_head) { .headers = out->headers };
    *p = (struct parser) { .limits = limits, .head = out, .fail = fail };
    p->at = (const byte *)(bytes.len ? bytes.at : "");
    p->end = p->at + HZ_MIN(bytes.len, limits->head_bytes);
}

static enum err parser_end(struct parser *p, enum err err, struct str bytes, size_t *used)
{
    if (err == ERR_AGAIN && bytes.len >= p->limits->head_bytes)
        return fail_set(p->fail, ERR_HEAD_TOO_LARGE, "the head is longer than %zu bytes",
                        p->limits->head_bytes);
    if (!err)
        *used = (size_t)(p->at - (const byte *)bytes.at);
    return err;
}

static enum err take_request(struct parser *p)
{
    enum err err = OK;
    if (p->at < p->end && *p->at == '\r')
        err = take_line_end(p);
    if (!err)
        err = take_method(p);
    if (!err)
        err = take_target(p);
    if (!err)
        err = take_version(p);
    if (!err)
        err = take_line_end(p);
    if (!err && !is_version_known(p))
        err = fail_set(p->fail, ERR_HTTP_VERSION, "%s", no_version);
    if (!err)
        err = take_headers(p);
    return err;
}

enum err http1_parse_request(struct str bytes, const struct http1_limits *limits,
                             struct http_head *out, size_t *used, struct fail *fail)
{
    struct parser p;
    struct authority host = { STR_NONE, -1 };
    parser_init(&p, bytes, limits, out, fail);
    enum err err = take_request(&p);
    if (!err)
        err = read_framing(&p);
    if (!err)
        err = read_host(&p, &host);
    if (!err)
        err = read_target(&p, &host);
    if (!err)
        err = read_expect(&p);
    /* HTTP/1.0 connections are never kept: its keep-alive is one more way to disagree. */
    out->is_keep_alive = out->minor_version == 1 && !p.facts.says_close;
    return parser_end(&p, err, bytes, used);
}

static enum err take_response(struct parser *p)
{
    enum err err = take_version(p);
    if (!err && !is_version_known(p))
        err = bad(p, no_version);
    if (!err)
        err = take_literal(p, STR(" "), "the HTTP version is not followed by one space");
    if (!err)
        err = take_status(p);
    if (!err)
        err = take_line_end(p);
    if (!err)
        err = take_headers(p);
    return err;
}

/* RFC 9112 §6.3. */
static void fit_framing_to_status(struct http_head *head, bool is_head_request)
{
    bool has_none = head->status < 200 || head->status == 204;
    /* A body announced where none may be: whatever follows is not to be trusted as an answer. */
    if (has_none && (head->framing == FRAMING_CHUNKED || head->content_length > 0))
        head->is_keep_alive = false;
    if (has_none || head->status == 304 || is_head_request) {
        head->framing = FRAMING_NONE;
        head->content_length = 0;
    } else if (head->framing == FRAMING_NONE) {
        head->framing = FRAMING_CLOSE;
        head->is_keep_alive = false;
    }
}

enum err http1_parse_response(struct str bytes, const struct http1_limits *limits,
                              bool is_head_request, struct http_head *out, size_t *used,
                              struct fail *fail)
{
    struct parser p;
    parser_init(&p, bytes, limits, out, fail);
    enum err err = take_response(&p);
    if (!err)
        err = read_framing(&p);
    if (!err && out->status == 101)
        err = bad(&p, "the server switched to another protocol without being asked");
    out->is_keep_alive = out->minor_version == 1 && !p.facts.says_close;
    if (!err)
        fit_framing_to_status(out, is_head_request);
    return parser_end(&p, err, bytes, used);
}

struct str http_head_get(const struct http_head *head, const char *name)
{
    struct str wanted = str_of(name);
    for (size_t i = 0; i < head->headers_len; i++) {
        if (head->headers[i].name.len == wanted.len && str_eq_nocase(head->headers[i].name, wanted))
            return head->headers[i].value;
    }
    return STR_NONE;
}

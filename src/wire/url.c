#include "wire/url.h"

#include "wire/authority.h"

static enum err bad(struct fail *fail, const char *why)
{
    return fail_set(fail, ERR_BAD_REQUEST, "%s", why);
}

static bool starts_nocase(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq_nocase(str_first(s, prefix.len), prefix);
}

/* RFC 3986 has no control, space, quote, angle bracket or backslash in a URL; browsers read the
 * last one as a slash, which moves the end of the host. */
static bool is_url_text(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.at[i];
        if (c <= ' ' || c > '~' || c == '"' || c == '<' || c == '>' || c == '\\')
            return false;
    }
    return true;
}

enum err url_parse(struct str text, struct url *out, struct fail *fail)
{
    *out = (struct url) { .is_tls = starts_nocase(text, STR("https://")) };
    if (!out->is_tls && !starts_nocase(text, STR("http://")))
        return bad(fail, "the URL begins neither with http:// nor with https://");
    if (!is_url_text(text))
        return bad(fail, "the URL has a character that must be percent-encoded");
    if (str_find_char(text, '#') != SIZE_MAX)
        return bad(fail, "the URL has a fragment");

    struct str rest = str_skip(text, out->is_tls ? 8 : 7);
    size_t len = HZ_MIN(str_find_char(rest, '/'), str_find_char(rest, '?'));
    struct authority authority;
    struct str host = str_first(rest, len);
    if (str_find_char(host, '@') != SIZE_MAX)
        return bad(fail, "the URL has user information");
    if (!authority_parse(host, &authority))
        return bad(fail, "the URL has no host, or a malformed host or port");
    if (authority.port == 0)
        return bad(fail, "the URL has port 0");
    out->host = authority.host;
    out->port = authority.port > 0 ? authority.port : out->is_tls ? 443 : 80;
    out->query = str_skip(rest, host.len);
    out->path = str_cut(&out->query, '?');
    return OK;
}

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void url_encode(struct str text, struct buf *out)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.at[i];
        if (is_unreserved(text.at[i])) {
            buf_add_char(out, text.at[i]);
        } else {
            char escape[3] = { '%', digits[c >> 4], digits[c & 15] };
            buf_add(out, str_make(escape, sizeof(escape)));
        }
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte of the escape at `at`, or -1. */
static int escaped_byte(struct str text, size_t at)
{
    if (text.len - at < 3)
        return -1;
    int high = hex_digit(text.at[at + 1]), low = hex_digit(text.at[at + 2]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

static enum err decode(struct arena *a, struct str text, bool is_form, struct str *out)
{
    bool has_plus = is_form && str_find_char(text, '+') != SIZE_MAX;
    *out = text;
    if (!has_plus && str_find_char(text, '%') == SIZE_MAX)
        return OK;
    char *to = arena_alloc(a, text.len);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        if (c == '%') {
            int byte = escaped_byte(text, i);
            if (byte <= 0)
                return ERR_BAD_REQUEST;
            to[len++] = (char)byte;
            i += 2;
        } else {
            to[len++] = c == '+' && is_form ? ' ' : c;
        }
    }
    *out = str_make(to, len);
    return OK;
}

enum err url_decode(struct arena *a, struct str text, struct str *out)
{
    return decode(a, text, false, out);
}

enum err url_query_get(struct arena *a, struct str query, const char *name, struct str *out)
{
    *out = STR_NONE;
    while (query.at) {
        struct str value = str_cut(&query, '&'), key;
        struct str raw_key = str_cut(&value, '=');
        enum err err = decode(a, raw_key, true, &key);
        if (err)
            return err;
        if (str_is(key, name))
            return decode(a, value.at ? value : STR(""), true, out);
    }
    return OK;
}

#include "config/values.h"

#include "config/fields.h"

enum {
    NANO_DIGITS = 9,
    PORT_MAX = 65535,
    HOST_MAX = 253,
    SPIFFE_ID_MAX = 2048,
    SPIFFE_DOMAIN_MAX = 255,
};

int choice_index(const char *choices, struct str word)
{
    struct str rest = str_of(choices);
    for (int i = 0; rest.at; i++) {
        if (str_eq(str_trim(str_cut(&rest, ',')), word))
            return i;
    }
    return -1;
}

struct str choice_at(const char *choices, int index)
{
    struct str rest = str_of(choices);
    struct str word = STR_NONE;
    for (int i = 0; i <= index; i++)
        word = str_trim(str_cut(&rest, ','));
    return word;
}

enum err value_bool(struct str text, bool *out)
{
    bool is_true = str_eq_nocase(text, STR("true"));
    if (!is_true && !str_eq_nocase(text, STR("false")))
        return ERR_CONFIG;
    *out = is_true;
    return OK;
}

enum err value_int(struct str text, int64_t min, int64_t max, int64_t *out)
{
    int64_t value;
    if (str_to_i64(text, &value) || value < min || value > max)
        return ERR_CONFIG;
    *out = value;
    return OK;
}

enum err value_price(struct str text, int64_t *out)
{
    /* 1,000 dollars a token: a figure above is a typing error. */
    const int64_t max = 1000000000LL * 1000000000LL;
    int64_t value;
    if (str_to_scaled(text, NANO_DIGITS, &value) || value < 0 || value > max)
        return ERR_CONFIG;
    *out = value;
    return OK;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

bool value_is_date(struct str text)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    if (text.len != 10 || text.at[4] != '-' || text.at[7] != '-')
        return false;
    int64_t year, month, day;
    if (str_to_i64(str_first(text, 4), &year) || str_to_i64(str_make(text.at + 5, 2), &month) ||
        str_to_i64(str_make(text.at + 8, 2), &day))
        return false;
    if (year < 0 || month < 1 || month > 12 || day < 1)
        return false;
    return day <= days[month - 1] + (month == 2 && is_leap(year) ? 1 : 0);
}

static bool is_host_char(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '.' || c == '_';
}

static bool is_ipv6_char(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == ':' || c == '.';
}

/* Cuts "host" or "[v6]" off the front; what follows is empty or begins with ':'. */
static bool cut_host(struct str *rest, struct str *host)
{
    bool is_ipv6 = rest->len && rest->at[0] == '[';
    if (is_ipv6) {
        size_t end = str_find_char(*rest, ']');
        if (end == SIZE_MAX)
            return false;
        *host = str_make(rest->at + 1, end - 1);
        *rest = str_skip(*rest, end + 1);
    } else {
        *host = str_first(*rest, str_find_char(*rest, ':'));
        *rest = str_skip(*rest, host->len);
    }
    for (size_t i = 0; i < host->len; i++) {
        if (!(is_ipv6 ? is_ipv6_char(host->at[i]) : is_host_char(host->at[i])))
            return false;
    }
    return (rest->len == 0 || rest->at[0] == ':') && host->len <= HOST_MAX &&
           (!is_ipv6 || str_find_char(*host, ':') != SIZE_MAX);
}

static bool read_port(struct str text, int64_t min, int *port)
{
    int64_t value;
    if (str_to_i64(text, &value) || value < min || value > PORT_MAX)
        return false;
    *port = (int)value;
    return true;
}

enum err value_address(struct arena *a, struct str text, struct str *host, int *port)
{
    struct str rest = text, found;
    if (str_starts(rest, STR("*:")))
        rest = str_skip(rest, 1);
    if (!cut_host(&rest, &found) || rest.len == 0 || !read_port(str_skip(rest, 1), 0, port))
        return ERR_CONFIG;
    *host = arena_str(a, found.len ? found : STR("0.0.0.0"));
    return OK;
}

const char *value_base_url(struct str text, struct base_url *out)
{
    static const char form[] = "allowed: http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH]";
    struct str rest = text;
    *out = (struct base_url) { .is_tls = str_starts(text, STR("https://")) };
    if (!out->is_tls && !str_starts(text, STR("http://")))
        return form;
    rest = str_skip(rest, out->is_tls ? 8 : 7);
    for (size_t i = 0; i < rest.len; i++) {
        if ((unsigned char)rest.at[i] <= ' ' || (unsigned char)rest.at[i] >= 0x7f)
            return "spaces and characters outside ASCII must be percent-encoded";
    }
    if (str_find_char(rest, '?') != SIZE_MAX || str_find_char(rest, '#') != SIZE_MAX)
        return "a query or fragment cannot be part of it";
    struct str authority = str_first(rest, str_find_char(rest, '/'));
    out->path = str_skip(rest, authority.len);
    while (out->path.len && out->path.at[out->path.len - 1] == '/')
        out->path.len--;
    if (str_find_char(authority, '@') != SIZE_MAX)
        return "user and password cannot be part of it; use key";
    out->port = out->is_tls ? 443 : 80;
    if (!cut_host(&authority, &out->host) || out->host.len == 0)
        return form;
    if (authority.len && !read_port(str_skip(authority, 1), 1, &out->port))
        return "the port must be 1 to 65535";
    return NULL;
}

static bool is_spiffe_segment(struct str s, bool may_be_upper)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.at[i];
        bool is_upper = c >= 'A' && c <= 'Z';
        if (!is_host_char(c) || (is_upper && !may_be_upper))
            return false;
    }
    return s.len > 0;
}

bool value_is_spiffe_id(struct str text)
{
    struct str rest = str_skip(text, 9);
    if (!str_starts(text, STR("spiffe://")) || text.len > SPIFFE_ID_MAX)
        return false;
    struct str domain = str_cut(&rest, '/');
    if (domain.len > SPIFFE_DOMAIN_MAX || !is_spiffe_segment(domain, false) || !rest.at)
        return false;
    while (rest.at) {
        struct str segment = str_cut(&rest, '/');
        if (!is_spiffe_segment(segment, true) || str_is(segment, ".") || str_is(segment, ".."))
            return false;
    }
    return true;
}

struct str url_without_password(struct arena *a, struct str url)
{
    size_t scheme = str_find(url, STR("://"));
    if (scheme == SIZE_MAX)
        return url;
    struct str rest = str_skip(url, scheme + 3);
    /* libpq takes a password in the query too. */
    if (str_contains_nocase(rest, STR("password=")))
        return arena_printf(a, "%.*s***", (int)scheme + 3, url.at);
    /* A password may hold '/' or '@' by mistake: what counts is the last '@'. */
    size_t at = rest.len;
    while (at > 0 && rest.at[at - 1] != '@')
        at--;
    size_t colon = str_find_char(str_first(rest, at), ':');
    if (at == 0 || colon == SIZE_MAX)
        return url;
    return arena_printf(a, "%.*s%.*s:***@%.*s", (int)scheme + 3, url.at, (int)colon, rest.at,
                        STR_ARG(str_skip(rest, at)));
}

#include "wire/authority.h"

enum { PORT_DIGITS_MAX = 5, PORT_MAX = 65535 };

static const bool is_host_char[256] = {
    ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true,
    ['-'] = true,         ['.'] = true,         ['_'] = true,
};

static const bool is_ipv6_char[256] = {
    ['0' ... '9'] = true, ['A' ... 'F'] = true, ['a' ... 'f'] = true, [':'] = true, ['.'] = true,
};

static struct str while_in(const bool table[256], struct str s)
{
    size_t n = 0;
    while (n < s.len && table[(unsigned char)s.at[n]])
        n++;
    return str_first(s, n);
}

static bool read_port(struct str digits, int *out)
{
    uint64_t port;
    if (digits.len > PORT_DIGITS_MAX || str_to_u64(digits, &port) || port > PORT_MAX)
        return false;
    *out = (int)port;
    return true;
}

bool authority_parse(struct str text, struct authority *out)
{
    bool is_ipv6 = text.len && text.at[0] == '[';
    out->host = is_ipv6 ? while_in(is_ipv6_char, str_skip(text, 1)) : while_in(is_host_char, text);
    out->port = -1;
    if (out->host.len == 0)
        return false;
    struct str rest = str_skip(text, out->host.len + (is_ipv6 ? 1 : 0));
    if (is_ipv6) {
        if (rest.len == 0 || rest.at[0] != ']' || str_find_char(out->host, ':') == SIZE_MAX)
            return false;
        rest = str_skip(rest, 1);
    }
    if (rest.len == 0)
        return true;
    return rest.at[0] == ':' && read_port(str_skip(rest, 1), &out->port);
}

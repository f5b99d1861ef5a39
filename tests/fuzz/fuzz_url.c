/* What was accepted can be put together again and reads the same; any text survives encoding. */

#include "fuzz.h"

#include "wire/url.h"

static void check_parse(struct str text)
{
    struct url u, again;
    struct fail fail = { 0 };
    enum err err = url_parse(text, &u, &fail);
    HZ_ASSERT(fail.err == err);
    if (err)
        return;
    struct buf b = { 0 };
    bool is_ipv6 = str_find_char(u.host, ':') != SIZE_MAX;
    buf_addf(&b, "%s://%s%.*s%s:%d%.*s", u.is_tls ? "https" : "http", is_ipv6 ? "[" : "",
             STR_ARG(u.host), is_ipv6 ? "]" : "", u.port, STR_ARG(u.path));
    if (u.query.at)
        buf_addf(&b, "?%.*s", STR_ARG(u.query));
    HZ_ASSERT(url_parse(buf_str(&b), &again, &fail) == OK);
    HZ_ASSERT(u.is_tls == again.is_tls && u.port == again.port && str_eq(u.host, again.host));
    HZ_ASSERT(str_eq(u.path, again.path) && str_eq(u.query, again.query));
    buf_fini(&b);
}

static void check_codes(struct str text)
{
    struct arena a = { 0 };
    struct buf b = { 0 };
    struct str out;
    if (url_decode(&a, text, &out) == OK)
        HZ_ASSERT(out.len <= text.len);
    if (url_query_get(&a, text, "a", &out) == OK && out.at)
        HZ_ASSERT(out.len <= text.len);
    url_encode(text, &b);
    bool has_nul = str_find_char(text, '\0') != SIZE_MAX;
    HZ_ASSERT((url_decode(&a, buf_str(&b), &out) == OK) == !has_nul);
    HZ_ASSERT(has_nul || str_eq(out, text));
    buf_fini(&b);
    arena_fini(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_parse(str_make((const char *)data, size));
    check_codes(str_make((const char *)data, size));
    return 0;
}

#include "test.h"

#include "wire/url.h"

static struct fail fail;

static enum err parse(const char *text, struct url *out)
{
    fail_clear(&fail);
    return url_parse(str_of(text), out, &fail);
}

TEST(urls_are_taken_apart)
{
    static const struct {
        const char *text;
        bool is_tls;
        const char *host;
        int port;
        const char *path, *query;
    } cases[] = {
        { "http://h", false, "h", 80, "", NULL },
        { "HTTPS://api.example.com/v1", true, "api.example.com", 443, "/v1", NULL },
        { "https://h:8443/a/b?c=d?e", true, "h", 8443, "/a/b", "c=d?e" },
        { "http://127.0.0.1:80?q", false, "127.0.0.1", 80, "", "q" },
        { "http://[::1]:9/", false, "::1", 9, "/", NULL },
        { "http://[fe80::1.2.3.4]", false, "fe80::1.2.3.4", 80, "", NULL },
        { "http://h/?", false, "h", 80, "/", "" },
    };
    for (size_t i = 0; i < HZ_LEN(cases); i++) {
        struct url u;
        CHECK_OK(parse(cases[i].text, &u));
        CHECK_EQ(u.is_tls, cases[i].is_tls);
        CHECK_STR(u.host, cases[i].host);
        CHECK_EQ(u.port, cases[i].port);
        CHECK_STR(u.path, cases[i].path);
        CHECK_EQ(u.query.at == NULL, cases[i].query == NULL);
        if (cases[i].query)
            CHECK_STR(u.query, cases[i].query);
    }
}

TEST(doubtful_urls_are_refused_with_a_reason)
{
    static const char *const bad[] = {
        "", "h", "ftp://h", "http:/h", "http://", "http:///p", "http://?q", "http://u@h", "http://u:p@h/", "http://h/#f",
        "http://h:", "http://h:0", "http://h:65536", "http://h:8a", "http://h:-1", "http://h:1:2", "http://[::1",
        "http://[]", "http://[1.2.3.4]", "http://[::1]x", "http://a b", "http://h/a b", "http://h\\@e/", "http://h/a\\b", "http://h/<", "http://h/\x01",
        "http://h/\xC3\xA9", "http://%41/", "http://a,b", "//h/", " http://h",
    };
    for (size_t i = 0; i < HZ_LEN(bad); i++) {
        struct url u;
        CHECK_ERR(parse(bad[i], &u), ERR_BAD_REQUEST);
        CHECK(fail.text[0] != '\0');
    }
}

TEST(any_text_survives_encoding)
{
    struct arena a = { 0 };
    char all[255];
    for (int i = 0; i < 255; i++)
        all[i] = (char)(i + 1);
    struct buf b = { 0 };
    struct str back;
    url_encode(str_make(all, sizeof(all)), &b);
    CHECK_OK(url_decode(&a, buf_str(&b), &back));
    CHECK(str_eq(back, str_make(all, sizeof(all))));
    buf_clear(&b);
    url_encode(STR("a b/\xC3\xA9~+%"), &b);
    CHECK_STR(buf_str(&b), "a%20b%2F%C3%A9~%2B%25");
    buf_fini(&b);
    arena_fini(&a);
}

TEST(broken_escapes_and_nul_are_refused)
{
    static const char *const bad[] = { "%", "a%2", "%2g", "%g2", "%00", "x%zz", "%%41" };
    struct arena a = { 0 };
    struct str out;
    for (size_t i = 0; i < HZ_LEN(bad); i++)
        CHECK_ERR(url_decode(&a, str_of(bad[i]), &out), ERR_BAD_REQUEST);
    CHECK_OK(url_decode(&a, STR("a+b%2f"), &out));
    CHECK_STR(out, "a+b/");
    arena_fini(&a);
}

TEST(query_parameters_are_found_and_decoded)
{
    struct arena a = { 0 };
    struct str out, query = STR("a=1&b=x+y%26z&%63=3&d&e=&a=2&f==");
    static const char *const expected[][2] = {
        { "a", "1" }, { "b", "x y&z" }, { "c", "3" }, { "d", "" }, { "e", "" }, { "f", "=" },
    };
    for (size_t i = 0; i < HZ_LEN(expected); i++) {
        CHECK_OK(url_query_get(&a, query, expected[i][0], &out));
        CHECK(out.at != NULL);
        CHECK_STR(out, expected[i][1]);
    }
    CHECK_OK(url_query_get(&a, query, "g", &out));
    CHECK(out.at == NULL);
    CHECK_OK(url_query_get(&a, STR_NONE, "g", &out));
    CHECK(out.at == NULL);
    CHECK_ERR(url_query_get(&a, STR("g=%"), "g", &out), ERR_BAD_REQUEST);
    arena_fini(&a);
}

RUN_TESTS(T(urls_are_taken_apart), T(doubtful_urls_are_refused_with_a_reason), T(any_text_survives_encoding),
          T(broken_escapes_and_nul_are_refused), T(query_parameters_are_found_and_decoded))

#include "test.h"

#include "config/fields.h"
#include "config/values.h"

TEST(addresses_name_host_and_port)
{
    struct arena a = { 0 };
    struct str host;
    int port;
    CHECK_OK(value_address(&a, STR("127.0.0.1:8080"), &host, &port));
    CHECK_STR(host, "127.0.0.1");
    CHECK_EQ(port, 8080);
    CHECK_OK(value_address(&a, STR("[::1]:0"), &host, &port));
    CHECK_STR(host, "::1");
    CHECK_OK(value_address(&a, STR("*:80"), &host, &port));
    CHECK_STR(host, "0.0.0.0");
    const char *const bad[] = { "8080",   "a:", "a:65536", "[::1:80", "a b:80",
                                "::1:80", "",   "a:-1",    "[a]:80" };
    for (size_t i = 0; i < HZ_LEN(bad); i++)
        CHECK_ERR(value_address(&a, str_of(bad[i]), &host, &port), ERR_CONFIG);
    arena_fini(&a);
}

TEST(dates_are_days_that_exist)
{
    CHECK(value_is_date(STR("2026-11-21")) && value_is_date(STR("2024-02-29")));
    CHECK(!value_is_date(STR("2026-02-29")) && !value_is_date(STR("2026-13-01")));
    CHECK(!value_is_date(STR("2026-1-01")) && !value_is_date(STR("2026-00-10")));
    CHECK(!value_is_date(STR("2026-01-00")) && !value_is_date(STR("20260101xx")));
}

TEST(base_urls_lose_their_last_slash_and_nothing_else)
{
    struct base_url url;
    CHECK(!value_base_url(STR("https://example.services.ai.azure.com"), &url));
    CHECK(url.is_tls && url.port == 443 && url.path.len == 0);
    CHECK_STR(url.host, "example.services.ai.azure.com");
    CHECK(!value_base_url(STR("http://[::1]:9090/v1/"), &url));
    CHECK(!url.is_tls && url.port == 9090);
    CHECK_STR(url.host, "::1");
    CHECK_STR(url.path, "/v1");
    const char *const bad[] = { "ftp://a",      "https://",    "https://u:p@a", "https://a/?x",
                                "https://a/#x", "https://a:0", "https://a:x",   "https://a b",
                                "a.com",        "https://[::1" };
    for (size_t i = 0; i < HZ_LEN(bad); i++)
        CHECK(value_base_url(str_of(bad[i]), &url));
}

TEST(passwords_in_urls_are_never_shown)
{
    struct arena a = { 0 };
    const char *const pairs[][2] = {
        { "postgresql://u:secret@h/db", "postgresql://u:***@h/db" },
        { "postgresql://u:se/cr@et@h/db", "postgresql://u:***@h/db" },
        { "postgresql://u@h/db?password=secret", "postgresql://***" },
        { "postgresql://u@h:5432/db", "postgresql://u@h:5432/db" },
        { "redis://:secret@h:6379/0", "redis://:***@h:6379/0" },
        { "sqlite:./a.db", "sqlite:./a.db" },
    };
    for (size_t i = 0; i < HZ_LEN(pairs); i++)
        CHECK_STR(url_without_password(&a, str_of(pairs[i][0])), pairs[i][1]);
    arena_fini(&a);
}

TEST(prices_are_exact_to_the_nano_dollar_or_refused)
{
    int64_t price;
    CHECK_OK(value_price(STR("0.0375"), &price));
    CHECK_EQ(price, 37500000);
    CHECK_OK(value_price(STR("0"), &price));
    CHECK_ERR(value_price(STR("-1"), &price), ERR_CONFIG);
    CHECK_ERR(value_price(STR("1e3"), &price), ERR_CONFIG);
    CHECK_ERR(value_price(STR("0.0000000001"), &price), ERR_CONFIG);
    CHECK_ERR(value_price(STR("1000000001"), &price), ERR_CONFIG);
}

TEST(truth_values_and_choices_are_words)
{
    bool b = false;
    CHECK_OK(value_bool(STR("True"), &b));
    CHECK(b);
    CHECK_OK(value_bool(STR("false"), &b));
    CHECK(!b);
    CHECK_ERR(value_bool(STR("yes"), &b), ERR_CONFIG);
    CHECK_EQ(choice_index("a, b, c", STR("c")), 2);
    CHECK_EQ(choice_index("a, b, c", STR("d")), -1);
    CHECK_EQ(choice_index("a, b, c", STR("")), -1);
    CHECK_STR(choice_at("a, b, c", 1), "b");
}

TEST(the_id_of_a_service_has_a_domain_and_a_path)
{
    const char *const good[] = { "spiffe://example.org/a", "spiffe://a-b_c.1/Path/to.x-y_z/9", "spiffe://a/..." };
    for (size_t i = 0; i < HZ_LEN(good); i++)
        CHECK(value_is_spiffe_id(str_of(good[i])));
    const char *const bad[] = {
        "",
        "spiffe:",
        "spiffe://",
        "spiffe://example.org",
        "spiffe://example.org/",
        "spiffe:///a",
        "https://example.org/a",
        "SPIFFE://example.org/a",
        "spiffe://Example.org/a",
        "spiffe://example.org:443/a",
        "spiffe://user@example.org/a",
        "spiffe://example.org/a/",
        "spiffe://example.org//a",
        "spiffe://example.org/a/./b",
        "spiffe://example.org/..",
        "spiffe://example.org/a?b",
        "spiffe://example.org/a#b",
        "spiffe://example.org/a%20b",
        " spiffe://example.org/a",
    };
    for (size_t i = 0; i < HZ_LEN(bad); i++)
        CHECK(!value_is_spiffe_id(str_of(bad[i])));
    char text[2100];
    memset(text, 'a', sizeof(text));
    memcpy(text, "spiffe://a/", 11);
    CHECK(value_is_spiffe_id(str_make(text, 2048)) && !value_is_spiffe_id(str_make(text, 2049)));
    text[10] = 'a';
    text[9 + 255] = '/';
    CHECK(value_is_spiffe_id(str_make(text, 300)));
    text[9 + 255] = 'a';
    text[9 + 256] = '/';
    CHECK(!value_is_spiffe_id(str_make(text, 300)));
}

RUN_TESTS(T(addresses_name_host_and_port), T(dates_are_days_that_exist),
          T(base_urls_lose_their_last_slash_and_nothing_else), T(passwords_in_urls_are_never_shown),
          T(prices_are_exact_to_the_nano_dollar_or_refused), T(truth_values_and_choices_are_words),
          T(the_id_of_a_service_has_a_domain_and_a_path))

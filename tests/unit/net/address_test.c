#include "test.h"

#include "net/address.h"

static void check_text(const char *host, int port, const char *expected)
{
    struct address a;
    CHECK(address_parse(str_of(host), port, &a));
    char text[ADDRESS_TEXT_MAX];
    address_format(&a, text);
    assert_string_equal(text, expected);
    CHECK_EQ(address_port(&a), port);
}

TEST(addresses_print_as_they_were_read)
{
    check_text("127.0.0.1", 80, "127.0.0.1:80");
    check_text("::1", 65535, "[::1]:65535");
    check_text("2001:DB8:0:0:0:0:0:1", 0, "[2001:db8::1]:0");
    check_text("::ffff:10.0.0.1", 443, "[::ffff:10.0.0.1]:443");
}

TEST(names_and_malformed_addresses_are_refused)
{
    struct address a;
    const char *bad[] = { "",      "localhost", "127.0.0",   "127.0.0.256", "127.0.0.1 ",
                          "[::1]", "::1::",     "1.2.3.4.5", "0x7f.0.0.1" };
    for (size_t i = 0; i < HZ_LEN(bad); i++)
        CHECK(!address_parse(str_of(bad[i]), 80, &a));
    CHECK(!address_parse(str_make("127.0.0.1\0x", 11), 80, &a));
    CHECK(!address_parse(STR("127.0.0.1"), 65536, &a));
    CHECK(!address_parse(STR("127.0.0.1"), -1, &a));
}

RUN_TESTS(T(addresses_print_as_they_were_read), T(names_and_malformed_addresses_are_refused))

#include "test.h"

#include "llm/llm.h"
#include "wire/http1.h"

/* Sun, 06 Nov 1994 08:49:37 GMT */
#define DATE_MS 784111777000LL

static struct llm_limits limits_of(const char *name, const char *value, const char *name2, const char *value2)
{
    struct http_header headers[] = {
        { str_of(name), str_of(value) },
        { str_of(name2), str_of(value2) },
    };
    struct http_head head = { .headers = headers, .headers_len = name2 ? 2 : 1 };
    struct llm_limits limits;
    llm_limits_read(&head, DATE_MS - 7000, &limits);
    return limits;
}

TEST(waits_are_read_in_all_their_forms)
{
    static const struct {
        const char *name, *value;
        int64_t wait_ms;
    } cases[] = {
        { "Retry-After", "20", 20000 },
        { "retry-after", " 1.5 ", 1500 },
        { "retry-after", "0.0001", 1 },
        { "retry-after", "1.123456789", 1124 },
        { "retry-after-ms", "250", 250 },
        { "retry-after-ms", "250.2", 251 },
        { "retry-after", "0", 0 },
        { "retry-after", "86400", 86400000 },
        { "retry-after", "Sun, 06 Nov 1994 08:49:37 GMT", 7000 },
        { "retry-after", "Sunday, 06-Nov-94 08:49:37 GMT", 7000 },
        { "retry-after", "Sun Nov  6 08:49:37 1994", 7000 },
        { "retry-after", "Sat, 05 Nov 1994 08:49:37 GMT", 0 },
        { "retry-after", "-1", -1 },
        { "retry-after", "soon", -1 },
        { "retry-after", "", -1 },
        { "retry-after", "99999999999", 999999999000 },
        { "retry-after-ms", "99999999999999999999.5", 999999999000 },
        { "retry-after", "9999999999x", -1 },
        { "retry-after", "9999999999.", -1 },
        { "retry-after", "Sun, 06 Nov 1994 08:49:37 GMT and some more text", -1 },
        { "x-other", "5", -1 },
    };
    for (size_t i = 0; i < HZ_LEN(cases); i++)
        CHECK_EQ(limits_of(cases[i].name, cases[i].value, NULL, NULL).retry_after_ms, cases[i].wait_ms);
}

TEST(milliseconds_stand_above_seconds_in_any_order)
{
    CHECK_EQ(limits_of("retry-after-ms", "250", "retry-after", "9").retry_after_ms, 250);
    CHECK_EQ(limits_of("retry-after", "9", "retry-after-ms", "250").retry_after_ms, 250);
    CHECK_EQ(limits_of("retry-after-ms", "?", "retry-after", "9").retry_after_ms, 9000);
}

TEST(of_several_waits_the_longest_counts)
{
    CHECK_EQ(limits_of("retry-after", "30", "retry-after", "1").retry_after_ms, 30000);
    CHECK_EQ(limits_of("retry-after", "1", "retry-after", "30").retry_after_ms, 30000);
    CHECK_EQ(limits_of("retry-after-ms", "30", "retry-after-ms", "1").retry_after_ms, 30);
}

TEST(negative_remainders_mean_unknown_and_never_exhausted)
{
    CHECK_EQ(limits_of("x-ratelimit-remaining-requests", "0", NULL, NULL).remaining_requests, 0);
    CHECK_EQ(limits_of("x-ratelimit-remaining-requests", "-1", NULL, NULL).remaining_requests, -1);
    CHECK_EQ(limits_of("x-ratelimit-remaining-tokens", "-250", NULL, NULL).remaining_tokens, -1);
    CHECK_EQ(limits_of("x-ratelimit-remaining-tokens", "149984", NULL, NULL).remaining_tokens, 149984);
    CHECK_EQ(limits_of("x-other", "1", NULL, NULL).remaining_tokens, -1);
}

TEST(region_and_request_ids_are_kept_for_support)
{
    CHECK_STR(limits_of("x-ms-region", "North Central US", NULL, NULL).region, "North Central US");
    CHECK_STR(limits_of("x-request-id", "a", "apim-request-id", "b").request_id, "b");
    CHECK_STR(limits_of("apim-request-id", "b", "x-request-id", "a").request_id, "b");
    CHECK_STR(limits_of("x-request-id", "a", NULL, NULL).request_id, "a");
}

RUN_TESTS(T(waits_are_read_in_all_their_forms), T(milliseconds_stand_above_seconds_in_any_order),
          T(of_several_waits_the_longest_counts),
          T(negative_remainders_mean_unknown_and_never_exhausted),
          T(region_and_request_ids_are_kept_for_support))

/* The journal and the invoice: what is kept, what is left out, and what goes when they are full. */
#include "test.h"

#include "sim/invoice.h"
#include "sim/journal.h"
#include "wire/json.h"

static struct http_header headers[] = {
    { STR("Authorization"), STR("Bearer secret-one") },
    { STR("API-Key"), STR("secret-two") },
    { STR("X-Client-Request-Id"), STR("abc") },
};

static struct http_request request_of(const char *body)
{
    return (struct http_request) {
        .head = { .method = STR("POST"),
                  .target = STR("/v1/x?y"),
                  .headers = headers,
                  .headers_len = HZ_LEN(headers) },
        .body = str_of(body),
    };
}

static struct str entry_of(const struct journal *j, int64_t seq, struct buf *out)
{
    struct fail fail = { 0 };
    buf_clear(out);
    CHECK(journal_write(j, seq, out));
    CHECK_OK(json_check(buf_str(out), &fail));
    return buf_str(out);
}

TEST(the_journal_keeps_no_credentials)
{
    struct journal j;
    struct buf out = { 0 };
    struct http_request r = request_of("{\"a\":\"\\n\"}");
    journal_init(&j, 10, 1 << 20);
    struct str entry = entry_of(&j, journal_add(&j, &r), &out);
    CHECK_EQ(str_find(entry, STR("secret")), SIZE_MAX);
    CHECK_STR(json_path(entry, "headers.x-client-request-id"), "\"abc\"");
    CHECK_STR(json_get(entry, "path"), "\"/v1/x?y\"");
    CHECK_STR(json_get(entry, "body"), "\"{\\\"a\\\":\\\"\\\\n\\\"}\"");
    CHECK_STR(json_get(entry, "status"), "null");
    journal_finish(&j, 1, 200, 2500000);
    entry = entry_of(&j, 1, &out);
    CHECK_STR(json_get(entry, "status"), "200");
    CHECK_STR(json_get(entry, "left_after_ms"), "2");
    buf_fini(&out);
    journal_fini(&j);
}

TEST(the_journal_lets_the_oldest_go)
{
    struct journal j;
    struct buf out = { 0 };
    struct http_request r = request_of("{}");
    journal_init(&j, 3, 1 << 20);
    for (int i = 1; i <= 5; i++)
        CHECK_EQ(journal_add(&j, &r), i);
    CHECK(!journal_write(&j, 2, &out));
    CHECK(journal_write(&j, 3, &out));
    CHECK(!journal_write(&j, 6, &out));
    journal_finish(&j, 1, 200, -1);
    j.bytes_limit = 1;
    CHECK_EQ(journal_add(&j, &r), 6);
    CHECK_EQ(j.next - j.first, 1);
    journal_clear(&j);
    CHECK_EQ(j.bytes, 0);
    CHECK_EQ(journal_add(&j, &r), 7);
    buf_fini(&out);
    journal_fini(&j);
}

static struct str invoice_entry_of(const struct invoice *v, uint64_t number, struct buf *out)
{
    struct fail fail = { 0 };
    buf_clear(out);
    CHECK(invoice_write(v, number, out));
    CHECK_OK(json_check(buf_str(out), &fail));
    return buf_str(out);
}

TEST(the_invoice_bills_a_cut_stream_for_what_was_generated)
{
    struct invoice v;
    struct buf out = { 0 };
    struct http_request r = request_of("{}");
    struct sim_call c = { .http = &r,
                      .seq = 7,
                      .name = STR("gpt-4o+cut=3"),
                      .status = 200,
                      .is_stream = true,
                      .prompt_tokens = 11,
                      .completion_tokens = 50,
                      .generated_tokens = 3,
                      .generated_reasoning = 1,
                      .reasoning_tokens = 9 };
    invoice_init(&v, 4);
    invoice_add(&v, &c);
    struct str e = invoice_entry_of(&v, 0, &out);
    CHECK_STR(json_get(e, "completion_tokens"), "3");
    CHECK_STR(json_get(e, "reasoning_tokens"), "1");
    CHECK_STR(json_get(e, "aborted_after_tokens"), "3");
    CHECK_STR(json_get(e, "completed"), "false");
    CHECK_STR(json_get(e, "model"), "\"gpt-4o\"");
    CHECK_STR(json_get(e, "deployment"), "\"gpt-4o+cut=3\"");
    CHECK_STR(json_get(e, "client_request_id"), "\"abc\"");
    c.is_completed = true;
    invoice_add(&v, &c);
    e = invoice_entry_of(&v, 1, &out);
    CHECK_STR(json_get(e, "completion_tokens"), "50");
    CHECK_STR(json_get(e, "aborted_after_tokens"), "null");
    buf_fini(&out);
    invoice_fini(&v);
}

TEST(the_invoice_is_bounded)
{
    struct invoice v;
    struct buf out = { 0 };
    struct http_request r = request_of("{}");
    struct sim_call c = { .http = &r, .name = STR("m"), .status = 200, .is_completed = true };
    invoice_init(&v, 100);
    for (c.seq = 0; c.seq < 250; c.seq++)
        invoice_add(&v, &c);
    CHECK(!invoice_write(&v, 149, &out));
    CHECK_STR(json_get(invoice_entry_of(&v, 150, &out), "seq"), "150");
    CHECK_STR(json_get(invoice_entry_of(&v, 249, &out), "seq"), "249");
    buf_clear(&out);
    CHECK(!invoice_write(&v, 250, &out));
    invoice_clear(&v);
    CHECK_EQ(v.next, 0);
    invoice_add(&v, &c);
    CHECK_STR(json_get(invoice_entry_of(&v, 0, &out), "seq"), "250");
    buf_fini(&out);
    invoice_fini(&v);
}

RUN_TESTS(T(the_journal_keeps_no_credentials), T(the_journal_lets_the_oldest_go),
          T(the_invoice_bills_a_cut_stream_for_what_was_generated), T(the_invoice_is_bounded))

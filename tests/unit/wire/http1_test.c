#include "test.h"

#include "wire/http1.h"

static struct http_header headers[100];
static struct fail fail;

static enum err parse_request(struct str text, struct http_head *head, size_t *used)
{
    fail_clear(&fail);
    head->headers = headers;
    return http1_parse_request(text, &HTTP1_LIMITS, head, used, &fail);
}

static enum err parse_response(struct str text, bool is_head, struct http_head *head)
{
    size_t used;
    fail_clear(&fail);
    head->headers = headers;
    enum err err = http1_parse_response(text, &HTTP1_LIMITS, is_head, head, &used, &fail);
    if (!err)
        CHECK_EQ(used, text.len);
    return err;
}

/* Parses a heap copy, so that a byte read too many is seen by ASan, and then every proper prefix:
 * each is incomplete or fails as the whole does. */
static enum err request(const char *text)
{
    size_t len = strlen(text), used = 0;
    char *copy = mem_alloc(len + 1);
    memcpy(copy, text, len);
    struct http_head head;
    enum err whole = parse_request(str_make(copy, len), &head, &used);
    CHECK_EQ(fail.err, whole == ERR_AGAIN ? OK : whole);
    if (!whole)
        CHECK_EQ(used, len);
    for (size_t part = 0; part < len; part++) {
        char *prefix = mem_alloc(part + !part);
        memcpy(prefix, copy, part);
        enum err err = parse_request(str_make(prefix, part), &head, &used);
        mem_free(prefix);
        CHECK(err == ERR_AGAIN || err == whole);
    }
    parse_request(str_make(copy, len), &head, &used);
    mem_free(copy);
    return whole;
}

#define GET "GET / HTTP/1.1\r\nHost: h\r\n"
#define POST "POST / HTTP/1.1\r\nHost: h\r\n"

TEST(a_request_is_taken_apart)
{
    struct str text = STR("\r\nPOST /v1/chat?a=b&c HTTP/1.1\r\nHost: api.example.com:8080\r\n"
                          "content-LENGTH:  12\t\r\nX-Empty:\r\nX-Text: a \t\xC3\xA9 b\r\n\r\nbody");
    struct http_head head;
    size_t used;
    CHECK_OK(parse_request(text, &head, &used));
    CHECK_EQ(used, text.len - 4);
    CHECK_STR(head.method, "POST");
    CHECK_STR(head.target, "/v1/chat?a=b&c");
    CHECK_STR(head.path, "/v1/chat");
    CHECK_STR(head.query, "a=b&c");
    CHECK_EQ(head.headers_len, 4);
    CHECK_EQ(head.framing, FRAMING_LENGTH);
    CHECK_EQ(head.content_length, 12);
    CHECK(head.is_keep_alive && !head.expects_continue && head.minor_version == 1);
    CHECK_STR(http_head_get(&head, "Content-Length"), "12");
    CHECK_STR(http_head_get(&head, "x-text"), "a \t\xC3\xA9 b");
    CHECK(http_head_get(&head, "x-empty").at != NULL && http_head_get(&head, "x-empty").len == 0);
    CHECK(http_head_get(&head, "x-none").at == NULL);
}

static const char *const good_requests[] = {
    GET "\r\n", POST "Content-Length: 0\r\n\r\n", POST "Transfer-Encoding: CHUNKED\r\n\r\n",
    POST "Content-Length: 999999999999999999\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.0\r\nHost: h\r\nExpect: 100-continue\r\n\r\n",
    "GET http://H/x HTTP/1.1\r\nHost: h\r\n\r\n", "GET http://h:80 HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET HTTPS://h?q HTTP/1.1\r\nHost: h:443\r\n\r\n", "GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n",
    "GET http://[::1]/ HTTP/1.1\r\nHost: [::1]\r\n\r\n", "get //x/../%00?a?b HTTP/1.1\r\nhost:1.2.3.4:65535\r\n\r\n",
    "M-X!#$%&'*+.^_`|~ / HTTP/1.1\r\nHost: h\r\n\r\n",
    GET "Connection: keep-alive\r\n\r\n", GET "X:a\r\nX:b\r\n\r\n",
};

TEST(good_requests_pass)
{
    for (size_t i = 0; i < HZ_LEN(good_requests); i++)
        CHECK_OK(request(good_requests[i]));
}

static const char *const bad_requests[] = {
    /* request line */
    " GET / HTTP/1.1\r\nHost: h\r\n\r\n", "GET  / HTTP/1.1\r\nHost: h\r\n\r\n", "GET /  HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET / HTTP/1.1 \r\nHost: h\r\n\r\n", "GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n", "GET /\tHTTP/1.1\r\nHost: h\r\n\r\n",
    "GET / HTTP/1.1\nHost: h\r\n\r\n", "GET / HTTP/1.1\rHost: h\r\n\r\n", "GET /\r\n", "GET\r\n", "/ HTTP/1.1\r\n",
    "G(T / HTTP/1.1\r\nHost: h\r\n\r\n", "G\xC3T / HTTP/1.1\r\nHost: h\r\n\r\n", "GET /\x01 HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /\x7F HTTP/1.1\r\nHost: h\r\n\r\n", "GET /\xC3\xA9 HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET / HTTP/2\r\nHost: h\r\n\r\n", "GET / HTTP/2.0 \r\nHost: h\r\n\r\n", "GET / http/1.1\r\nHost: h\r\n\r\n",
    "GET / HTTP/A.1\r\nHost: h\r\n\r\n", "GET / HTTP/1.\r\nHost: h\r\n\r\n", "GET / HTTP/20.0\r\nHost: h\r\n\r\n",
    "GET / HTTP/1.10\r\nHost: h\r\n\r\n", "GET / HTTP/01.1\r\nHost: h\r\n\r\n", "GET / HTTP/1,1\r\nHost: h\r\n\r\n",
    "\r\n\r\nGET / HTTP/1.1\r\n", "\nGET / HTTP/1.1\r\n", "\x16\x03\x01\x02",
    /* target */
    "GET * HTTP/1.1\r\nHost: h\r\n\r\n", "GET x HTTP/1.1\r\nHost: h\r\n\r\n", "GET /#f HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET http://i/ HTTP/1.1\r\nHost: h\r\n\r\n", "GET http://h:81/ HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET https://h/ HTTP/1.1\r\nHost: h:80\r\n\r\n", "GET http:/// HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET http://u@h/ HTTP/1.1\r\nHost: h\r\n\r\n", "GET ftp://h/ HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET http://h/ HTTP/1.1\r\n\r\n",
    /* Host */
    "GET / HTTP/1.1\r\n\r\n", GET "Host: h\r\n\r\n", GET "host: i\r\n\r\n", "GET / HTTP/1.0\r\nHost: h\r\nHost: h\r\n\r\n",
    "GET / HTTP/1.1\r\nHost:\r\n\r\n", "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "GET / HTTP/1.1\r\nHost: u@h\r\n\r\n", "GET / HTTP/1.1\r\nHost: h:\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: h:x\r\n\r\n", "GET / HTTP/1.1\r\nHost: h:65536\r\n\r\n", "GET / HTTP/1.1\r\nHost: h:1:2\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", "GET / HTTP/1.1\r\nHost: []\r\n\r\n", "GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: :80\r\n\r\n", "GET / HTTP/1.1\r\nHost: h%41\r\n\r\n",
    /* header lines */
    GET "X : a\r\n\r\n", GET "X\t: a\r\n\r\n", GET " X: a\r\n\r\n", GET "X: a\r\n b\r\n\r\n", GET "X: a\r\n\tb\r\n\r\n",
    GET ": a\r\n\r\n", GET "X\r\n\r\n", GET "X(: a\r\n\r\n", GET "X\xC3: a\r\n\r\n", GET "X: a\n\r\n", GET "X: a\rb\r\n\r\n",
    GET "X: a\r\r\n\r\n", GET "X: a\x01\r\n\r\n", GET "X: a\x7F\r\n\r\n", GET "X: \x08\r\n\r\n", GET "X: a\r\n\n", GET "\n",
    "GET / HTTP/1.1\r\n Host: h\r\n\r\n",
    /* framing */
    POST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", POST "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
    POST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", POST "Content-Length: 1\r\ncontent-length: 2\r\n\r\n",
    POST "Content-Length: 1, 1\r\n\r\n", POST "Content-Length: +1\r\n\r\n", POST "Content-Length: -1\r\n\r\n",
    POST "Content-Length: 1 2\r\n\r\n", POST "Content-Length: 0x1\r\n\r\n", POST "Content-Length: 1.0\r\n\r\n",
    POST "Content-Length:\r\n\r\n", POST "Content-Length: 1a\r\n\r\n", POST "Content-Length: 1000000000000000000\r\n\r\n",
    POST "Content-Length: 18446744073709551617\r\n\r\n", POST "Content-Length : 1\r\n\r\n",
    POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", POST "Transfer-Encoding: xchunked\r\n\r\n",
    POST "Transfer-Encoding: chunked, chunked\r\n\r\n", POST "Transfer-Encoding: chunked, identity\r\n\r\n",
    POST "Transfer-Encoding: gzip\r\n\r\n", POST "Transfer-Encoding:\r\n\r\n", POST "Transfer-Encoding: , chunked\r\n\r\n",
    POST "Transfer-Encoding: \"chunked\"\r\n\r\n", POST "Transfer-Encoding: chunked;x\r\n\r\n",
    POST "Transfer-Encoding: chunked,\r\n\r\n", POST "Transfer-Encoding: \x0B" "chunked\r\n\r\n",
    "POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
};

TEST(ambiguous_requests_are_refused)
{
    for (size_t i = 0; i < HZ_LEN(bad_requests); i++) {
        CHECK_ERR(request(bad_requests[i]), ERR_BAD_HTTP);
        CHECK(fail.text[0] != '\0');
    }
    struct http_head head;
    size_t used;
    CHECK_ERR(parse_request(STR(GET "X: a\0b\r\n\r\n"), &head, &used), ERR_BAD_HTTP);
    CHECK_ERR(parse_request(STR("GET /\0 HTTP/1.1\r\n"), &head, &used), ERR_BAD_HTTP);
}

TEST(what_is_clear_but_not_offered_has_its_own_error)
{
    CHECK_ERR(request(POST "Transfer-Encoding: gzip, chunked\r\n\r\n"), ERR_NOT_IMPLEMENTED);
    CHECK_ERR(request("CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n"), ERR_NOT_IMPLEMENTED);
    CHECK_ERR(request(POST "Expect: 200-ok\r\nContent-Length: 1\r\n\r\n"), ERR_EXPECT);
    CHECK_ERR(request(POST "Expect: 100-continue\r\nExpect: 100-continue\r\n\r\n"), ERR_EXPECT);
}

TEST(another_version_is_told_from_garbage)
{
    static const char *const others[] = {
        "GET / HTTP/2.0\r\nHost: h\r\n\r\n", "GET / HTTP/3.0\r\n", "GET / HTTP/0.9\r\n", "GET / HTTP/1.2\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    };
    for (size_t i = 0; i < HZ_LEN(others); i++) {
        CHECK_ERR(request(others[i]), ERR_HTTP_VERSION);
        CHECK(fail.text[0] != '\0');
    }
    CHECK_ERR(request("GET / HTTP/2.0\r"), ERR_AGAIN);
    struct http_head head;
    CHECK_ERR(parse_response(STR("HTTP/2.0 200 OK\r\n\r\n"), false, &head), ERR_BAD_HTTP);
}

TEST(flags_follow_version_and_connection)
{
    struct http_head head;
    size_t used;
    CHECK_OK(parse_request(STR(GET "Connection: x, Close\r\n\r\n"), &head, &used));
    CHECK(!head.is_keep_alive);
    CHECK_OK(parse_request(STR(GET "Connection: closed\r\n\r\n"), &head, &used));
    CHECK(head.is_keep_alive);
    CHECK_OK(parse_request(STR("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), &head, &used));
    CHECK(!head.is_keep_alive && head.minor_version == 0);
    CHECK_OK(parse_request(STR(POST "Content-Length: 1\r\nExpect: 100-Continue\r\n\r\n"), &head, &used));
    CHECK(head.expects_continue);
    CHECK_OK(parse_request(STR(GET "Expect: 100-continue\r\n\r\n"), &head, &used));
    CHECK(!head.expects_continue);
    CHECK_OK(parse_request(STR("GET http://h?q HTTP/1.1\r\nHost: h\r\n\r\n"), &head, &used));
    CHECK_STR(head.path, "/");
    CHECK_STR(head.query, "q");
    CHECK_OK(parse_request(STR("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"), &head, &used));
    CHECK_STR(head.path, "*");
    CHECK(head.query.at == NULL);
}

TEST(limits_hold_for_whole_and_partial_heads)
{
    struct http1_limits limits = { .head_bytes = 64, .target_bytes = 8, .headers = 3 };
    struct http_head head = { .headers = headers };
    size_t used;
    char long_value[200];
    snprintf(long_value, sizeof(long_value), GET "X: %0100d\r\n\r\n", 0);
    for (size_t len = 0; len < strlen(long_value); len++) {
        fail_clear(&fail);
        CHECK_ERR(http1_parse_request(str_make(long_value, len), &limits, &head, &used, &fail),
                  len < 64 ? ERR_AGAIN : ERR_HEAD_TOO_LARGE);
    }
    fail_clear(&fail);
    CHECK_ERR(http1_parse_request(STR("GET /12345678"), &limits, &head, &used, &fail), ERR_URI_TOO_LONG);
    fail_clear(&fail);
    CHECK_OK(http1_parse_request(STR("GET /1234567 HTTP/1.1\r\nHost: h\r\n\r\n"), &limits, &head, &used, &fail));
    CHECK_OK(http1_parse_request(STR(GET "a:b\r\nc:d\r\n\r\n"), &limits, &head, &used, &fail));
    CHECK_ERR(http1_parse_request(STR(GET "a:b\r\nc:d\r\ne:f\r\n\r\n"), &limits, &head, &used, &fail),
              ERR_HEAD_TOO_LARGE);
}

TEST(responses_are_framed_by_status_and_headers)
{
    static const struct {
        const char *text;
        bool is_head;
        enum http_framing framing;
        bool is_keep_alive;
    } cases[] = {
        { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", false, FRAMING_LENGTH, true },
        { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true, FRAMING_NONE, true },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", false, FRAMING_CHUNKED, true },
        { "HTTP/1.1 200 OK\r\n\r\n", false, FRAMING_CLOSE, false },
        { "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", false, FRAMING_LENGTH, false },
        { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n", false, FRAMING_LENGTH, false },
        { "HTTP/1.1 100 Continue\r\n\r\n", false, FRAMING_NONE, true },
        { "HTTP/1.1 204 No Content\r\n\r\n", false, FRAMING_NONE, true },
        { "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", false, FRAMING_NONE, true },
        { "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", false, FRAMING_NONE, false },
        { "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", false, FRAMING_NONE, false },
        { "HTTP/1.1 304 \r\nContent-Length: 5\r\n\r\n", false, FRAMING_NONE, true },
        { "HTTP/1.1 529\r\nContent-Length: 0\r\n\r\n", false, FRAMING_LENGTH, true },
        { "HTTP/1.1 500 \xC3\xA9 \t!\r\nContent-Length: 0\r\n\r\n", false, FRAMING_LENGTH, true },
    };
    for (size_t i = 0; i < HZ_LEN(cases); i++) {
        struct http_head head;
        CHECK_OK(parse_response(str_of(cases[i].text), cases[i].is_head, &head));
        CHECK_EQ(head.framing, cases[i].framing);
        CHECK_EQ(head.is_keep_alive, cases[i].is_keep_alive);
        for (size_t len = 0; len < strlen(cases[i].text); len++)
            CHECK_ERR(parse_response(str_make(cases[i].text, len), cases[i].is_head, &head), ERR_AGAIN);
    }
    struct http_head head;
    CHECK_OK(parse_response(STR("HTTP/1.1 404 Not Found\r\nContent-Length: 7\r\n\r\n"), false, &head));
    CHECK_EQ(head.status, 404);
    CHECK_STR(head.reason, "Not Found");
    CHECK_EQ(head.content_length, 7);
}

TEST(ambiguous_responses_are_refused)
{
    static const char *const cases[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 099 X\r\n\r\n", "HTTP/1.1 600 X\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1  200 OK\r\n\r\n", "HTTP/2 200\r\n\r\n", "ICY 200 OK\r\n\r\n", "HTTP/1.1 200 O\x01\r\n\r\n",
        "HTTP/1.1 200 OK\n\n", "HTTP/1.1 200 OK\r\nX : y\r\n\r\n", "\r\nHTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "<html>", "HTTP/1.1 2O0 OK\r\n\r\n",
    };
    for (size_t i = 0; i < HZ_LEN(cases); i++) {
        struct http_head head;
        CHECK_ERR(parse_response(str_of(cases[i]), false, &head), ERR_BAD_HTTP);
        CHECK(fail.text[0] != '\0');
    }
}

TEST(control_characters_are_found_at_every_offset_of_a_value)
{
    for (size_t len = 1; len < 50; len++) {
        char value[50];
        memset(value, 'v', sizeof(value));
        for (size_t at = 0; at < len; at++) {
            for (int c = 0; c < 256; c++) {
                value[at] = (char)c;
                bool is_control = (c < 0x20 && c != '\t') || c == 0x7F;
                CHECK_EQ(http1_is_field_value(str_make(value, len)), !is_control);
            }
            value[at] = 'v';
        }
    }
}

TEST(what_is_written_parses_back)
{
    struct buf b = { 0 };
    http1_write_request_line(&b, STR("PUT"), STR("/a?b"));
    http1_write_header(&b, STR("Host"), STR("h"));
    http1_write_header_i64(&b, STR("Content-Length"), 42);
    buf_add(&b, STR("\r\n"));
    struct http_head head;
    size_t used;
    CHECK_OK(parse_request(buf_str(&b), &head, &used));
    CHECK_STR(head.target, "/a?b");
    CHECK_EQ(head.content_length, 42);
    for (int status = 100; status <= 599; status++) {
        buf_clear(&b);
        http1_write_status_line(&b, status);
        buf_add(&b, STR("\r\n"));
        if (status == 101)
            continue;
        CHECK_OK(parse_response(buf_str(&b), false, &head));
        CHECK_EQ(head.status, status);
        CHECK(str_is(head.reason, http1_reason(status)));
    }
    buf_fini(&b);
}

RUN_TESTS(T(a_request_is_taken_apart), T(good_requests_pass), T(ambiguous_requests_are_refused),
          T(what_is_clear_but_not_offered_has_its_own_error), T(another_version_is_told_from_garbage),
          T(flags_follow_version_and_connection),
          T(limits_hold_for_whole_and_partial_heads), T(responses_are_framed_by_status_and_headers),
          T(ambiguous_responses_are_refused), T(control_characters_are_found_at_every_offset_of_a_value),
          T(what_is_written_parses_back))

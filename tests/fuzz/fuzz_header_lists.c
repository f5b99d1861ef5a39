/* Headers that hold lists, dates and numbers. What the parser understood of Connection and
 * Transfer-Encoding is what a reading of RFC 9110 §5.6.1 without any cleverness gives; what a
 * provider says of its limits is a number in range or unknown, and borrows from the head. */

#include "fuzz.h"

#include "llm/headers.h"
#include "wire/http1.h"

enum { HEADERS = 24 };

static const int64_t now_ms = 784111770000;         /* Sun, 06 Nov 1994 08:49:30 GMT */
static const int64_t last_day_ms = 253402300800000; /* the end of the year 9999 */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool has_member(struct str list, struct str member)
{
    for (size_t from = 0, to; from <= list.len; from = to + 1) {
        for (to = from; to < list.len && list.at[to] != ',';)
            to++;
        size_t first = from, last = to;
        while (first < last && is_blank(list.at[first]))
            first++;
        while (last > first && is_blank(list.at[last - 1]))
            last--;
        if (str_eq_nocase(str_make(list.at + first, last - first), member))
            return true;
    }
    return false;
}

static void check_connection(const struct http_head *head)
{
    bool says_close = false;
    for (size_t i = 0; i < head->headers_len; i++) {
        if (str_eq_nocase(head->headers[i].name, STR("connection")))
            says_close |= has_member(head->headers[i].value, STR("close"));
    }
    HZ_ASSERT(head->is_keep_alive == !says_close);
    HZ_ASSERT(head->framing != FRAMING_CHUNKED ||
              str_eq_nocase(http_head_get(head, "transfer-encoding"), STR("chunked")));
}

static void check_borrowed(struct str value, struct str text)
{
    HZ_ASSERT(!value.at || (value.at >= text.at && value.at + value.len <= text.at + text.len));
}

static void check_limits(const struct http_head *head, struct str text)
{
    struct llm_limits l;
    llm_limits_read(head, now_ms, &l);
    HZ_ASSERT(l.remaining_requests >= -1 && l.remaining_tokens >= -1 && l.retry_after_ms >= -1);
    HZ_ASSERT(l.retry_after_ms < last_day_ms);
    check_borrowed(l.region, text);
    check_borrowed(l.request_id, text);
}

/* The head of `first` line with the input as its further headers. */
static void check(struct str first, struct str lines, bool is_request)
{
    struct http1_limits limits = HTTP1_LIMITS;
    limits.headers = HEADERS;
    struct http_header headers[HEADERS];
    struct http_head head = { .headers = headers };
    struct fail fail = { 0 };
    struct buf b = { 0 };
    size_t used;
    buf_add(&b, first);
    buf_add(&b, lines);
    buf_add(&b, STR("\r\n\r\n"));
    struct str text = fuzz_copy(buf_str(&b));
    enum err err = is_request ? http1_parse_request(text, &limits, &head, &used, &fail)
                              : http1_parse_response(text, &limits, false, &head, &used, &fail);
    if (err == OK && (is_request || head.framing != FRAMING_CLOSE))
        check_connection(&head);
    if (err == OK)
        check_limits(&head, text);
    fuzz_free(text);
    buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str lines = { (const char *)data, size };
    check(STR("POST / HTTP/1.1\r\nHost: h\r\n"), lines, true);
    check(STR("HTTP/1.1 429 Too Many Requests\r\n"), lines, false);
    return 0;
}

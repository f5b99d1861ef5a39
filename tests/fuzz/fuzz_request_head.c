/* Each prefix is incomplete or fails as the whole does; an accepted head is unambiguous and reads
 * the same when it is written out again. */

#include "fuzz.h"

#include "wire/http1.h"

enum { HEADERS = 12 };

static const struct http1_limits limits = { .head_bytes = 1024,
                                            .target_bytes = 128,
                                            .headers = HEADERS };

static enum err parse(struct str text, struct http_head *head, struct http_header *headers,
                      size_t *used)
{
    struct fail fail = { 0 };
    head->headers = headers;
    enum err err = http1_parse_request(text, &limits, head, used, &fail);
    HZ_ASSERT(fail.err == (err == ERR_AGAIN ? OK : err));
    HZ_ASSERT(err == OK || err == ERR_AGAIN || fail.text[0]);
    return err;
}

static void check_prefixes(struct str text, enum err whole, size_t whole_used)
{
    size_t stride = text.len / 64 + 1;
    for (size_t len = 0; len < text.len; len += stride) {
        struct http_header headers[HEADERS];
        struct http_head head;
        size_t used;
        struct str prefix = fuzz_copy(str_first(text, len));
        enum err err = parse(prefix, &head, headers, &used);
        HZ_ASSERT(err == ERR_AGAIN || err == whole);
        HZ_ASSERT(whole != OK || (err == OK) == (len >= whole_used));
        fuzz_free(prefix);
    }
}

static void check_accepted(const struct http_head *head, struct str taken)
{
    HZ_ASSERT(str_ends(taken, STR("\r\n\r\n")));
    HZ_ASSERT(str_find_char(taken, '\0') == SIZE_MAX);
    for (size_t i = 0; i < taken.len; i++) {
        HZ_ASSERT(taken.at[i] != '\n' || taken.at[i - 1] == '\r');
        HZ_ASSERT(taken.at[i] != '\r' || taken.at[i + 1] == '\n');
    }
    HZ_ASSERT(http1_is_token(head->method) && head->path.len > 0);
    HZ_ASSERT(head->minor_version == 0 || http_head_get(head, "host").len > 0);
    bool has_length = http_head_get(head, "content-length").at;
    bool has_coding = http_head_get(head, "transfer-encoding").at;
    HZ_ASSERT(has_length == (head->framing == FRAMING_LENGTH));
    HZ_ASSERT(has_coding == (head->framing == FRAMING_CHUNKED));
    HZ_ASSERT(head->content_length >= 0 && head->framing != FRAMING_CLOSE);
}

static void check_again(const struct http_head *head)
{
    struct http_header headers[HEADERS];
    struct http_head again;
    struct buf b = { 0 };
    size_t used;
    http1_write_request_line(&b, head->method, head->target);
    for (size_t i = 0; i < head->headers_len; i++)
        http1_write_header(&b, head->headers[i].name, head->headers[i].value);
    buf_add(&b, STR("\r\n"));
    if (b.len < limits.head_bytes) {
        HZ_ASSERT(parse(buf_str(&b), &again, headers, &used) == OK && used == b.len);
        HZ_ASSERT(again.headers_len == head->headers_len && again.framing == head->framing);
        HZ_ASSERT(again.content_length == head->content_length);
        HZ_ASSERT(again.is_keep_alive == head->is_keep_alive);
        HZ_ASSERT(str_eq(again.path, head->path) && str_eq(again.query, head->query));
    }
    buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = { (const char *)data, size };
    struct http_header headers[HEADERS];
    struct http_head head;
    size_t used = 0;
    enum err err = parse(text, &head, headers, &used);
    check_prefixes(text, err, used);
    if (err)
        return 0;
    check_accepted(&head, str_first(text, used));
    if (head.minor_version == 1)
        check_again(&head);
    return 0;
}

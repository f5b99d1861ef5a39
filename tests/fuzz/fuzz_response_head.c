/* Each prefix is incomplete or fails as the whole does; the framing is what the status and the
 * headers allow, whether or not the request was HEAD. */

#include "fuzz.h"

#include "wire/http1.h"

enum { HEADERS = 12 };

static const struct http1_limits limits = { .head_bytes = 1024,
                                            .target_bytes = 128,
                                            .headers = HEADERS };

static enum err parse(struct str text, bool is_head, struct http_head *head,
                      struct http_header *headers, size_t *used)
{
    struct fail fail = { 0 };
    head->headers = headers;
    enum err err = http1_parse_response(text, &limits, is_head, head, used, &fail);
    HZ_ASSERT(fail.err == (err == ERR_AGAIN ? OK : err));
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
        enum err err = parse(prefix, false, &head, headers, &used);
        HZ_ASSERT(err == ERR_AGAIN || err == whole);
        HZ_ASSERT(whole != OK || (err == OK) == (len >= whole_used));
        fuzz_free(prefix);
    }
}

static void check_accepted(const struct http_head *head)
{
    bool has_length = http_head_get(head, "content-length").at;
    bool has_coding = http_head_get(head, "transfer-encoding").at;
    bool has_none = head->status < 200 || head->status == 204 || head->status == 304;
    HZ_ASSERT(head->status >= 100 && head->status <= 599 && head->status != 101);
    HZ_ASSERT(!(has_length && has_coding));
    HZ_ASSERT(has_none == (head->framing == FRAMING_NONE));
    HZ_ASSERT((head->framing == FRAMING_LENGTH) == (has_length && !has_none));
    HZ_ASSERT((head->framing == FRAMING_CHUNKED) == (has_coding && !has_none));
    HZ_ASSERT(head->framing != FRAMING_CLOSE || !head->is_keep_alive);
    HZ_ASSERT(head->minor_version == 1 || !head->is_keep_alive);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = { (const char *)data, size };
    struct http_header headers[HEADERS];
    struct http_head head;
    size_t used = 0;
    HZ_ASSERT(parse(text, true, &head, headers, &used) != OK || head.framing == FRAMING_NONE);
    enum err err = parse(text, false, &head, headers, &used);
    check_prefixes(text, err, used);
    if (!err)
        check_accepted(&head);
    return 0;
}

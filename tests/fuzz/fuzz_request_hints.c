/* What callers put into headers about their request: hints of routing and ids of correlation. They
 * are refused, or plain names; what is echoed is one header line and valid JSON. */

#include "fuzz.h"

#include "api/request.h"
#include "gateway/internal.h"
#include "wire/json.h"

enum { HEADERS = 12 };

static const struct http1_limits limits = { .head_bytes = 4096,
                                            .target_bytes = 64,
                                            .headers = HEADERS };

static void check_name(struct str name, size_t most)
{
    HZ_ASSERT(name.len <= most);
    for (size_t i = 0; i < name.len; i++)
        HZ_ASSERT(name.at[i] > ' ' && name.at[i] != '"' && name.at[i] != '\\' &&
                  name.at[i] != 0x7F);
}

static void check_hints(struct http_request *http)
{
    struct call call = { 0 };
    struct api_request r = { .http = http, .call = &call };
    enum err err = request_read_hints(&r);
    HZ_ASSERT(err == OK || (err == ERR_BAD_REQUEST && r.fail.param[0] && r.fail.text[0]));
    if (err)
        return;
    HZ_ASSERT(call.type < CALL_TYPES);
    check_name(call.feature, 64);
    check_name(call.language, 16);
}

/* Every answer, a refusal too, tells the id that the caller gave. */
static void check_correlation(struct http_request *http)
{
    static struct config config; /* no access log */
    struct setup setup = { .config = &config };
    struct gateway_loop loop = { .setup = &setup };
    struct api api = { .gateway_loop = &loop };
    struct buf headers = { 0 }, body = { 0 };
    struct fail fail = { 0 };
    api_refuse(http, ERR_BAD_HTTP, "", &headers, &body, &api);
    HZ_ASSERT(json_check(buf_str(&body), &fail) == OK);
    for (struct str rest = buf_str(&headers); rest.len;) {
        struct str line = str_cut(&rest, '\n');
        HZ_ASSERT(str_ends(line, STR("\r")) && str_find_char(line, '\r') == line.len - 1);
        struct str value = str_first(line, line.len - 1);
        HZ_ASSERT(http1_is_token(str_cut(&value, ':')));
        check_name(str_trim(value), 128);
    }
    buf_fini(&headers);
    buf_fini(&body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_header lines[HEADERS];
    struct http_request http = { .head = { .headers = lines } };
    struct fail fail = { 0 };
    struct buf b = { 0 };
    size_t used;
    buf_add(&b, STR("POST /route HTTP/1.1\r\nHost: h\r\n"));
    buf_add(&b, str_make((const char *)data, size));
    buf_add(&b, STR("\r\n\r\n"));
    struct str text = fuzz_copy(buf_str(&b));
    if (http1_parse_request(text, &limits, &http.head, &used, &fail) == OK) {
        check_hints(&http);
        check_correlation(&http);
    }
    arena_fini(&http.arena);
    fuzz_free(text);
    buf_fini(&b);
    return 0;
}

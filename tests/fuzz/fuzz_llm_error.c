/* Whatever stands in an error body, a client gets a message and a document that its SDK reads. */

#include "llm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int statuses[] = { 0, 400, 401, 404, 422, 429, 500, 503, 599 };
    struct arena a = { 0 };
    struct buf out = { 0 };
    struct llm_error error;
    if (size < 1)
        return 0;
    struct str body = fuzz_copy(str_make((const char *)data + 1, size - 1));
    llm_error_read(&a, statuses[data[0] % HZ_LEN(statuses)], body, &error);
    HZ_ASSERT(error.message.len > 0 && error.message.len <= 2000 && error.type.len > 0);
    HZ_ASSERT(!(error.is_content_filter && error.is_context_length));
    llm_error_write(&out, &error, STR("id"));
    fuzz_check_json(buf_str(&out));
    struct str code = json_path(buf_str(&out), "error.code");
    HZ_ASSERT(error.code.len ? json_kind(code) == JSON_STRING : json_is_null(code));
    fuzz_free(body);
    arena_fini(&a);
    buf_fini(&out);
    return 0;
}

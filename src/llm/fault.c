#include "llm/fault.h"

#include "llm/key.h"

bool fault_is_set(struct str error)
{
    switch (json_kind(error)) {
    case JSON_BOOL: return json_is_true(error);
    case JSON_STRING: return error.len > 2;
    case JSON_NUMBER: return !str_is(error, "0");
    case JSON_ARRAY:
    case JSON_OBJECT: return json_len(error) > 0;
    default: return false;
    }
}

bool fault_is_error(struct str document)
{
    struct json_iter it;
    struct str raw, value;
    bool has_result = false, has_message = false;
    json_iter_init(&it, document);
    while (json_next_member(&it, &raw, &value)) {
        struct key key = key_of(raw);
        if (KEY_IS(key, "choices") || KEY_IS(key, "data"))
            has_result = true;
        else if (KEY_IS(key, "detail") || KEY_IS(key, "message"))
            has_message |= fault_is_set(value);
        else if (KEY_IS(key, "error") ? fault_is_set(value)
                                      : KEY_IS(key, "object") && str_is(value, "\"error\""))
            return true;
    }
    return has_message && !has_result;
}

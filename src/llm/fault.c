#include "llm/fault.h"

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
    if (fault_is_set(json_get(document, "error")) ||
        str_is(json_get(document, "object"), "\"error\""))
        return true;
    bool has_result = json_get(document, "choices").at || json_get(document, "data").at;
    return !has_result && (fault_is_set(json_get(document, "detail")) ||
                           fault_is_set(json_get(document, "message")));
}

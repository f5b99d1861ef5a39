#include "llm/fault.h"

#include "llm/excerpt.h"

/* As SDKs judge it: null, false, "", 0, [] and {} are no error. */
static bool is_set(struct str error)
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

void fault_look(struct fault *f, struct key key, struct str value)
{
    if (KEY_IS(key, "choices") || KEY_IS(key, "data"))
        f->has_result = true;
    else if (KEY_IS(key, "error"))
        f->has_error |= is_set(value);
    else if (KEY_IS(key, "object"))
        f->has_error |= str_is(value, "\"error\"");
    else if (KEY_IS(key, "detail") || KEY_IS(key, "message"))
        f->has_message |= is_set(value);
}

enum err fault_refuse(struct arena *a, const struct deployment *d, struct str body,
                      struct fail *fail)
{
    struct llm_error error;
    llm_error_read(a, 0, body, &error);
    error.message = excerpt_cut(error.message, EXCERPT_MAX);
    return fail_set(fail, ERR_UPSTREAM_BROKEN, "provider '%.*s' answered 200 with an error: %.*s",
                    STR_ARG(d->provider->name), STR_ARG(error.message));
}

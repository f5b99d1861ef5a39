#include "llm/refuse.h"

#include <stdarg.h>
#include <stdio.h>

enum err refuse(struct fail *fail, const char *param, const char *fmt, ...)
{
    char text[sizeof(fail->text)];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (!fail->err)
        snprintf(fail->param, sizeof(fail->param), "%s", param);
    return fail_set(fail, ERR_BAD_REQUEST, "'%s' %s", param, text);
}

static const struct kind_name {
    enum value_kinds kind;
    const char *name;
} kind_names[] = {
    { KIND_STRING, "a string" }, { KIND_NUMBER, "a number" }, { KIND_WHOLE, "a whole number" },
    { KIND_BOOL, "a boolean" },  { KIND_ARRAY, "an array" },  { KIND_OBJECT, "an object" },
};

static const unsigned kinds_of[] = {
    [JSON_NULL] = 0,
    [JSON_BOOL] = KIND_BOOL,
    [JSON_NUMBER] = KIND_NUMBER | KIND_WHOLE,
    [JSON_STRING] = KIND_STRING,
    [JSON_ARRAY] = KIND_ARRAY,
    [JSON_OBJECT] = KIND_OBJECT,
    [JSON_NONE] = 0,
};

enum err refuse_other_kinds(struct fail *fail, const char *param, unsigned kinds, struct str value)
{
    if (kinds & kinds_of[json_kind(value)])
        return OK;
    char list[128];
    size_t len = 0;
    for (size_t i = 0; i < HZ_LEN(kind_names); i++) {
        if (!(kinds & kind_names[i].kind))
            continue;
        int n =
            snprintf(list + len, sizeof(list) - len, "%s%s", len ? " or " : "", kind_names[i].name);
        len += (size_t)n;
        HZ_ASSERT(len < sizeof(list));
    }
    return refuse(fail, param, "must be %s", list);
}

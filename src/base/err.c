#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/str.h"

static const struct err_info infos[ERRS] = {
    [OK] = { "OK", 200, false, "", "", "" },
#define X(name, status, retry, type, code, text) [name] = { #name, status, retry, type, code, text },
#include "base/err.def"
#undef X
};

const struct err_info *err_info(enum err err)
{
    HZ_ASSERT(err < ERRS);
    return &infos[err];
}

const char *err_name(enum err err)
{
    return err_info(err)->name;
}

enum err fail_set(struct fail *fail, enum err err, const char *fmt, ...)
{
    if (fail->err)
        return err;
    fail->err = err;
    va_list args;
    va_start(args, fmt);
    vsnprintf(fail->text, sizeof(fail->text), fmt, args);
    va_end(args);
    fail->text[str_whole_characters(str_of(fail->text)).len] = '\0';
    return err;
}

void fail_clear(struct fail *fail)
{
    fail->err = OK;
    fail->text[0] = '\0';
    fail->param[0] = '\0';
}

#include "wire/params.h"

#include "wire/http1.h"

/* The length of a quoted string with both quotes, or 0 when it does not end. */
static size_t quoted_len(struct str s)
{
    for (size_t i = 1; i < s.len; i++) {
        if (s.at[i] == '"')
            return i + 1;
        if (s.at[i] == '\\')
            i++;
    }
    return 0;
}

/* With its semicolon and the blanks behind it; an empty one leaves the name empty. False when
 * something else stands there. */
static bool take_param(struct str *rest, struct param *out)
{
    *out = (struct param) { 0 };
    if (rest->at[0] != ';')
        return false;
    *rest = str_trim(str_skip(*rest, 1));
    if (rest->len == 0 || rest->at[0] == ';')
        return true;
    size_t name_len = str_find_char(*rest, '=');
    out->name = str_first(*rest, name_len);
    if (name_len == SIZE_MAX || !http1_is_token(out->name))
        return false;
    *rest = str_skip(*rest, name_len + 1);
    size_t len;
    if (rest->len && rest->at[0] == '"') {
        len = quoted_len(*rest);
        out->value = str_first(str_skip(*rest, 1), len ? len - 2 : 0);
    } else {
        out->value = str_trim(str_first(*rest, str_find_char(*rest, ';')));
        len = http1_is_token(out->value) ? out->value.len : 0;
    }
    *rest = str_trim(str_skip(*rest, len));
    return len > 0;
}

static const char *add(struct params *out, struct param p)
{
    if (str_find_char(p.name, '*') != SIZE_MAX)
        return "extended parameters such as filename* are not allowed";
    if (params_get(out, p.name).at)
        return "a parameter comes twice";
    if (out->len == PARAMS_MAX)
        return "there are too many parameters";
    out->at[out->len++] = p;
    return NULL;
}

enum err params_read(struct str value, struct params *out, struct fail *fail)
{
    const char *fault = NULL;
    struct str rest = str_skip(value, str_find_char(value, ';'));
    out->type = str_trim(str_first(value, value.len - rest.len));
    out->len = 0;
    if (!http1_is_field_value(value))
        fault = "there is a control character between parameters";
    while (!fault && rest.len) {
        struct param p;
        if (!take_param(&rest, &p))
            fault = "a parameter is neither name=token nor name=\"text\"";
        else if (p.name.len)
            fault = add(out, p);
    }
    return fault ? fail_set(fail, ERR_BAD_REQUEST, "%s", fault) : OK;
}

struct str params_get(const struct params *p, struct str name)
{
    for (size_t i = 0; i < p->len; i++) {
        if (str_eq_nocase(p->at[i].name, name))
            return p->at[i].value;
    }
    return STR_NONE;
}

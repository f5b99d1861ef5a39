#include "model/call.h"

#include "base/buf.h"

static const char *const type_names[CALL_TYPES] = { "chat", "math", "coding", "creative" };
static const char *const tier_names[TIERS] = { "standard", "vip" };
static const char *const scope_names[] = { "chat", "features", "send", "admin" };

const char *call_type_name(enum call_type type)
{
    return type_names[type];
}

const char *tier_name(enum tier tier)
{
    return tier_names[tier];
}

static int index_of(const char *const *names, size_t count, struct str text)
{
    for (size_t i = 0; i < count; i++) {
        if (str_is(text, names[i]))
            return (int)i;
    }
    return -1;
}

bool call_type_parse(struct str text, enum call_type *out)
{
    int i = index_of(type_names, CALL_TYPES, text);
    if (i >= 0)
        *out = (enum call_type)i;
    return i >= 0;
}

bool tier_parse(struct str text, enum tier *out)
{
    int i = index_of(tier_names, TIERS, text);
    if (i >= 0)
        *out = (enum tier)i;
    return i >= 0;
}

bool scopes_parse(struct str text, unsigned *out, struct str *unknown)
{
    unsigned scopes = 0;
    struct str rest = text;
    while (rest.at) {
        struct str name = str_trim(str_cut(&rest, ','));
        int i = index_of(scope_names, HZ_LEN(scope_names), name);
        if (i < 0) {
            *unknown = name;
            return false;
        }
        scopes |= 1u << i;
    }
    *out = scopes;
    return scopes != 0;
}

void scopes_format(unsigned scopes, struct buf *out)
{
    bool is_first = true;
    for (size_t i = 0; i < HZ_LEN(scope_names); i++) {
        if (!(scopes & 1u << i))
            continue;
        if (!is_first)
            buf_add_char(out, ',');
        buf_add(out, str_of(scope_names[i]));
        is_first = false;
    }
}

#ifndef HZ_LLM_KEY_H
#define HZ_LLM_KEY_H
/*
 * key - a member's name, looked at once for escapes and then compared by length first, so that a
 * chain of KEY_IS is cheap.
 */

#include "wire/json.h"

struct key {
    struct str text; /* between the quotes, escapes not resolved */
    bool has_escape;
};

static inline struct key key_of(struct str raw)
{
    struct str text = raw.len < 2 ? STR_NONE : str_make(raw.at + 1, raw.len - 2);
    return (struct key) { text, str_find_char(text, '\\') != SIZE_MAX };
}

bool key_is_escaped(struct key key, struct str name);

static inline bool key_is(struct key key, struct str name)
{
    return str_eq(key.text, name) || (key.has_escape && key_is_escaped(key, name));
}

#define KEY_IS(key, name) key_is(key, STR(name))

#endif

#ifndef HZ_LLM_KEY_H
#define HZ_LLM_KEY_H
/*
 * key - member names, decoded once per member and then compared as text.
 *
 * Comparing lengths first makes a chain of KEY_IS cheap; json_key_is would look for escapes each
 * time.
 */

#include "wire/json.h"

enum { KEY_ESCAPED_MAX = 128 };

struct key_scratch {
    char text[KEY_ESCAPED_MAX];
};

/* The name without quotes, escapes resolved; lives as long as the scratch and the document. A name
 * with escapes that is longer than any known one stays as it is. */
static inline struct str key_text(struct str raw, struct key_scratch *scratch)
{
    if (raw.len < 2)
        return STR_NONE;
    struct str text = str_make(raw.at + 1, raw.len - 2);
    if (str_find_char(text, '\\') == SIZE_MAX || text.len > KEY_ESCAPED_MAX)
        return text;
    return str_make(scratch->text, json_decode(text, scratch->text));
}

#define KEY_IS(key, name) str_eq(key, STR(name))

#endif

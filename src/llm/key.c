#include "llm/key.h"

/* Longer than any name that is asked for, with every character escaped. */
enum { ESCAPED_MAX = 256 };

bool key_is_escaped(struct key key, struct str name)
{
    char text[ESCAPED_MAX];
    if (key.text.len > sizeof(text))
        return false;
    return str_eq(str_make(text, json_decode(key.text, text)), name);
}

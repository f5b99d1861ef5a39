/* The verdict is one of the table's, does not depend on case, and nothing behind the first bytes
 * counts. */

#include "fuzz.h"

#include "gateway/internal.h"

enum { BYTES_SEEN = 4096 };

static void check_same(struct str text, enum call_type type, struct str language)
{
    HZ_ASSERT(classify_type(text) == type);
    HZ_ASSERT(str_eq(classify_language(text), language));
}

static struct str shouted(struct str text)
{
    struct str loud = fuzz_copy(text);
    char *at = (char *)(uintptr_t)loud.at;
    for (size_t i = 0; i < loud.len; i++)
        at[i] = at[i] >= 'a' && at[i] <= 'z' ? (char)(at[i] - 'a' + 'A') : at[i];
    return loud;
}

/* The input over and over, as far as is read, and then something that would change the verdict. */
static void check_end(struct str text)
{
    struct buf seen = { 0 };
    while (text.len && seen.len < BYTES_SEEN)
        buf_add(&seen, str_first(text, BYTES_SEEN - seen.len));
    if (seen.len == BYTES_SEEN) {
        enum call_type type = classify_type(buf_str(&seen));
        struct str language = classify_language(buf_str(&seen));
        buf_add(&seen, STR(" ``` traceback \\frac write a poem bonjour vous je les des "));
        check_same(buf_str(&seen), type, language);
    }
    buf_fini(&seen);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = fuzz_copy(str_make((const char *)data, size));
    enum call_type type = classify_type(text);
    struct str language = classify_language(text);
    HZ_ASSERT(type < CALL_TYPES);
    HZ_ASSERT(language.at == NULL || language.len == 2);
    struct str loud = shouted(text);
    check_same(loud, type, language);
    check_end(text);
    fuzz_free(loud);
    fuzz_free(text);
    return 0;
}

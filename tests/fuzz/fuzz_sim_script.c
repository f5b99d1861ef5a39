/* A script of the simulator: refused with a reason, or rules that apply as often again after a
 * rewind. What stands behind the first line is the model of the calls. */

#include "fuzz.h"

#include "sim/script.h"

enum { CALLS = 4 };

static unsigned apply_all(struct script *s, struct str model)
{
    static const char *const paths[] = { "/v1/chat/completions", "/openai/v1/embeddings" };
    unsigned applied = 0;
    for (int call = 0; call < CALLS; call++) {
        struct arena a = { 0 };
        struct behaviour b;
        behaviour_init(&b);
        b.status = -2; /* as no script can set it */
        script_apply(s, &a, model, str_of(paths[call % 2]), &b);
        applied |= b.status != -2 ? 1u << call : 0;
        arena_fini(&a);
    }
    return applied;
}

static void check_words(struct str words)
{
    struct behaviour b;
    struct fail fail = { 0 };
    behaviour_init(&b);
    HZ_ASSERT(behaviour_apply(&b, words, &fail) == OK || fail.text[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = fuzz_copy(str_make((const char *)data, size)), whole = rest;
    struct str model = str_cut(&rest, '\n');
    struct script *s = NULL;
    struct fail fail = { 0 };
    enum err err = script_create(rest, &s, &fail);
    HZ_ASSERT(err == OK || (err == ERR_CONFIG && fail.text[0] && !s));
    check_words(model);
    if (!err) {
        unsigned applied = apply_all(s, model);
        script_rewind(s);
        HZ_ASSERT(apply_all(s, model) == applied);
    }
    script_destroy(s);
    fuzz_free(whole);
    return 0;
}

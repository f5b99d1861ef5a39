/* Any text as a .env file: each line is a variable or a problem, and a variable that is written out
 * in quotes reads the same. */

#include "fuzz.h"

#include "config/environment.h"

static void read_text(struct str text, struct arena *a, struct environment *env, struct buf *errors)
{
    struct problems problems = { .errors = errors, .arena = a };
    environment_read_file(a, text, ".env", &problems, env);
}

static void quote(const struct variable *v, struct buf *out)
{
    buf_add(out, STR("export "));
    buf_add(out, v->name);
    buf_add(out, STR(" = \""));
    for (size_t i = 0; i < v->value.len; i++) {
        char c = v->value.at[i];
        if (c == '\n') {
            buf_add(out, STR("\\n"));
            continue;
        }
        if (c == '"' || c == '\\')
            buf_add_char(out, '\\');
        buf_add_char(out, c);
    }
    buf_add(out, STR("\" # again\n"));
}

static void check_again(const struct environment *env, struct arena *a)
{
    struct buf text = { 0 }, errors = { 0 };
    struct environment again = { 0 };
    for (size_t i = 0; i < env->len; i++)
        quote(&env->vars[i], &text);
    read_text(buf_str(&text), a, &again, &errors);
    HZ_ASSERT(again.len == env->len && errors.len == 0);
    for (size_t i = 0; i < env->len; i++) {
        HZ_ASSERT(str_eq(again.vars[i].name, env->vars[i].name));
        HZ_ASSERT(str_eq(again.vars[i].value, env->vars[i].value));
    }
    buf_fini(&text);
    buf_fini(&errors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a = { 0 };
    struct buf errors = { 0 };
    struct environment env = { 0 };
    struct str text = fuzz_copy(str_make((const char *)data, size));
    read_text(text, &a, &env, &errors);
    for (size_t i = 0; i < env.len; i++) {
        const struct variable *found = environment_get(&env, env.vars[i].name);
        HZ_ASSERT(env.vars[i].name.len && (!found || found <= &env.vars[i]));
    }
    check_again(&env, &a);
    fuzz_free(text);
    buf_fini(&errors);
    arena_fini(&a);
    return 0;
}

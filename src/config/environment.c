#include "config/environment.h"

#include "config/options.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OPTION_NAME_MAX = 80 };

static const char env_choices[] = "development, staging, production";

const char *run_env_name(enum run_env env)
{
    static const char *const names[] = { "development", "staging", "production" };
    return names[env];
}

char *file_read(struct arena *a, const char *path, size_t max, size_t *len, const char **why,
                bool *is_missing)
{
    char *text = NULL;
    size_t got = 0;
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    *is_missing = fd < 0 && errno == ENOENT;
    *why = *is_missing ? "there is no such file" : "it cannot be opened for reading";
    if (fd < 0)
        return NULL;
    if (fstat(fd, &info) || !S_ISREG(info.st_mode)) {
        *why = "it is not a regular file";
        goto out;
    }
    if (info.st_size < 0 || (size_t)info.st_size > max) {
        *why = "it is too large";
        goto out;
    }
    text = arena_alloc(a, (size_t)info.st_size + 1);
    while (got < (size_t)info.st_size) {
        ssize_t n = read(fd, text + got, (size_t)info.st_size - got);
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    text[got] = '\0';
    *len = got;
out:
    close(fd);
    return text;
}

const struct variable *environment_get(const struct environment *env, struct str name)
{
    for (size_t i = 0; i < env->len; i++) {
        if (str_eq(env->vars[i].name, name))
            return env->vars[i].value.len ? &env->vars[i] : NULL;
    }
    return NULL;
}

static void add(struct arena *a, struct environment *env, struct variable var)
{
    if (env->len == env->cap) {
        size_t cap = env->cap ? env->cap * 2 : 64;
        struct variable *more = arena_alloc(a, cap * sizeof(*more));
        if (env->len)
            memcpy(more, env->vars, env->len * sizeof(*more));
        env->vars = more;
        env->cap = cap;
    }
    env->vars[env->len++] = var;
}

static bool is_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.at[i];
        if (!isalpha((unsigned char)c) && c != '_' && (i == 0 || !isdigit((unsigned char)c)))
            return false;
    }
    return name.len > 0;
}

/* Text behind an opening double quote, up to the closing one. False when there is none. */
static bool unquote(struct arena *a, struct str text, struct str *value, struct str *rest)
{
    char *out = arena_alloc(a, text.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        if (c == '"') {
            *value = str_make(out, len);
            *rest = str_skip(text, i + 1);
            return true;
        }
        if (c == '\\' && i + 1 < text.len) {
            c = text.at[++i];
            c = c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
        }
        out[len++] = c;
    }
    return false;
}

static bool read_value(struct arena *a, struct str text, struct str *value)
{
    struct str rest = STR_NONE;
    text = str_trim(text);
    if (text.len && text.at[0] == '"') {
        if (!unquote(a, str_skip(text, 1), value, &rest))
            return false;
    } else if (text.len && text.at[0] == '\'') {
        rest = str_skip(text, 1);
        *value = str_cut(&rest, '\'');
        if (!rest.at)
            return false;
    } else {
        size_t comment = text.len && text.at[0] == '#' ? 0 : str_find(text, STR(" #"));
        *value = str_trim(str_first(text, comment));
    }
    rest = str_trim(rest);
    return rest.len == 0 || rest.at[0] == '#';
}

void environment_read_file(struct arena *a, struct str text, const char *file,
                           struct problems *problems, struct environment *out)
{
    int number = 0;
    for (struct str rest = text; rest.at;) {
        struct str line = str_trim(str_cut(&rest, '\n'));
        number++;
        if (line.len == 0 || line.at[0] == '#')
            continue;
        if (str_starts(line, STR("export ")))
            line = str_trim(str_skip(line, 7));
        struct origin place = { file, number };
        struct variable var = { 0 };
        struct str value = line;
        var.name = str_trim(str_cut(&value, '='));
        /* The line may hold a secret: it is not shown. */
        if (!value.at || !is_name(var.name) || !read_value(a, value, &var.value)) {
            problem(problems, place,
                    "malformed line; allowed: NAME=value, NAME=\"value\", # comment");
            continue;
        }
        var.origin.file = arena_printf(a, "%s:%d: %.*s", file, number, STR_ARG(var.name)).at;
        add(a, out, var);
    }
}

static void read_files(struct arena *a, const char *directory, struct problems *problems,
                       struct environment *out)
{
    static const char *const files[] = { ".env.local", ".env" };
    for (size_t i = 0; i < HZ_LEN(files); i++) {
        const char *path = directory ? arena_printf(a, "%s/%s", directory, files[i]).at : files[i];
        const char *why;
        bool is_missing;
        size_t len = 0;
        char *text = file_read(a, path, ENV_FILE_BYTES_MAX, &len, &why, &is_missing);
        if (text)
            environment_read_file(a, str_make(text, len), path, problems, out);
        else if (!is_missing)
            problem(problems, (struct origin) { path, 0 }, "%s", why);
    }
}

static void read_run_env(struct environment *env, struct arena *a, struct problems *problems)
{
    const struct variable *var = environment_get(env, STR("HUNTAZE_ENV"));
    int index = var ? choice_index(env_choices, var->value) : ENV_DEVELOPMENT;
    env->run_env = index < 0 ? ENV_DEVELOPMENT : (enum run_env)index;
    if (index < 0)
        problem(problems, var->origin, "'%.*s' is no environment; allowed: %s",
                STR_ARG(problem_quote(a, var->value)), env_choices);
}

void environment_read(struct arena *a, const struct config_sources *sources,
                      struct problems *problems, struct environment *out)
{
    *out = (struct environment) { 0 };
    for (const char *const *at = sources->env; at && *at; at++) {
        struct str value = str_of(*at);
        struct variable var = { .name = str_cut(&value, '=') };
        if (!value.at)
            continue;
        var.value = value;
        var.origin.file = arena_cstr(a, var.name);
        add(a, out, var);
    }
    read_run_env(out, a, problems);
    if (out->run_env == ENV_DEVELOPMENT)
        read_files(a, sources->directory, problems, out);
}

/* server.listen -> HUNTAZE_SERVER_LISTEN */
static struct str variable_of(const char *option, char out[OPTION_NAME_MAX])
{
    int n = snprintf(out, OPTION_NAME_MAX, "HUNTAZE_%s", option);
    HZ_ASSERT(n > 0 && n < OPTION_NAME_MAX);
    for (int i = 0; i < n; i++)
        out[i] = out[i] == '.' ? '_' : (char)toupper((unsigned char)out[i]);
    return str_make(out, (size_t)n);
}

static void set(struct arena *a, struct node *root, const struct field *option,
                const struct variable *var, struct problems *problems)
{
    if (!document_set(a, root, str_of(option->name), var->value, var->origin))
        problem(problems, var->origin, "%s is not a map of options in the file", option->name);
}

static bool is_ours(struct str name, struct arena *a, struct str *guess)
{
    char text[OPTION_NAME_MAX];
    struct str *names = arena_alloc(a, option_table.len * sizeof(*names));
    if (!str_starts(name, STR("HUNTAZE_")) || str_is(name, "HUNTAZE_ENV"))
        return true;
    for (size_t i = 0; i < option_table.len; i++) {
        names[i] = arena_str(a, variable_of(option_table.fields[i].name, text));
        if (str_eq(names[i], name))
            return true;
    }
    *guess = problem_suggest(name, names, option_table.len);
    return false;
}

/* A warning only: service managers put variables of their own beside ours (HUNTAZE_SERVICE_HOST).
 */
static void warn_unknown(const struct environment *env, struct arena *a, struct problems *problems)
{
    for (size_t i = 0; i < env->len; i++) {
        struct str guess = STR_NONE;
        if (is_ours(env->vars[i].name, a, &guess))
            continue;
        problem_warn(problems, "%s: no option has this name%s%.*s%s", env->vars[i].origin.file,
                     guess.at ? "; did you mean " : "", STR_ARG(guess), guess.at ? "?" : "");
    }
    if (environment_get(env, STR("AI_ROUTER_URL")))
        problem_warn(problems,
                     "AI_ROUTER_URL says where clients find the router; the router itself "
                     "ignores it (server.listen is where it listens)");
}

void environment_apply(const struct environment *env, struct arena *a, struct node *root,
                       struct problems *problems)
{
    for (size_t i = 0; i < option_table.len; i++) {
        char name[OPTION_NAME_MAX];
        const struct field *option = &option_table.fields[i];
        const struct variable *var = environment_get(env, variable_of(option->name, name));
        if (!var && option->alias)
            var = environment_get(env, str_of(option->alias));
        if (var)
            set(a, root, option, var, problems);
    }
    warn_unknown(env, a, problems);
}

void overrides_apply(const char *const *overrides, struct arena *a, struct node *root,
                     struct problems *problems)
{
    struct str *names = arena_alloc(a, option_table.len * sizeof(*names));
    for (size_t i = 0; i < option_table.len; i++)
        names[i] = str_of(option_table.fields[i].name);
    for (const char *const *at = overrides; at && *at; at++) {
        struct str value = str_of(*at);
        struct variable var = { .name = str_cut(&value, '='), .value = value };
        var.origin.file = arena_printf(a, "--set %.*s", STR_ARG(problem_quote(a, var.name))).at;
        const struct field *option = field_find(option_table, var.name);
        if (option && value.at) {
            set(a, root, option, &var, problems);
            continue;
        }
        struct str guess = problem_suggest(var.name, names, option_table.len);
        problem(problems, var.origin, "%s%s%.*s%s; allowed: NAME=VALUE with an option's name",
                option ? "the value is missing" : "no option has this name",
                guess.at && !option ? "; did you mean " : "", STR_ARG(option ? STR_NONE : guess),
                guess.at && !option ? "?" : "");
    }
}

#ifndef HZ_TESTS_UNIT_CONFIG_FILES_H
#define HZ_TESTS_UNIT_CONFIG_FILES_H
/* files - a temporary directory with configuration files, and loading from it. */

#include "test.h"

#include <stdlib.h>
#include <unistd.h>

#include "config/config.h"

enum { FILES_MAX = 8 };

struct files {
    struct arena arena; /* of the names */
    char *directory;
    const char *paths[FILES_MAX];
    int len;
    struct config *config;
    struct buf errors;
    const char *env[FILES_MAX]; /* set before files_load */
    const char *overrides[FILES_MAX];
};

static inline void files_init(struct files *f)
{
    *f = (struct files) { 0 };
    f->directory = arena_cstr(&f->arena, STR("/tmp/huntaze-config-XXXXXX"));
    CHECK(mkdtemp(f->directory));
}

static inline const char *files_add(struct files *f, const char *name, const char *text)
{
    const char *path = arena_printf(&f->arena, "%s/%s", f->directory, name).at;
    f->paths[f->len++] = path;
    FILE *file = fopen(path, "w");
    CHECK(file);
    fputs(text, file);
    fclose(file);
    return path;
}

/* `path` NULL: without a file. Messages name files relative to the directory. */
static inline void files_load(struct files *f, const char *path)
{
    struct config_sources sources = {
        .file = path, .directory = f->directory, .env = f->env, .overrides = f->overrides
    };
    config_unref(f->config);
    buf_clear(&f->errors);
    f->config = config_load(&sources, &f->errors);
    buf_add_char(&f->errors, '\0');
    f->errors.len--;
    size_t at;
    while ((at = str_find(buf_str(&f->errors), str_of(f->directory))) != SIZE_MAX) {
        size_t skip = strlen(f->directory) + 1;
        memmove(f->errors.at + at, f->errors.at + at + skip, f->errors.len + 1 - at - skip);
        f->errors.len -= skip;
    }
}

static inline bool files_has_error(const struct files *f, const char *text)
{
    bool found = str_find(buf_str(&f->errors), str_of(text)) != SIZE_MAX;
    if (!found)
        print_message("not among the errors: %s\n%s", text, f->errors.at);
    return found;
}

static inline bool files_warn(const struct files *f, const char *text)
{
    for (size_t i = 0; f->config && i < f->config->warnings_len; i++) {
        if (str_find(f->config->warnings[i], str_of(text)) != SIZE_MAX)
            return true;
    }
    return false;
}

static inline void files_fini(struct files *f)
{
    config_unref(f->config);
    buf_fini(&f->errors);
    for (int i = 0; i < f->len; i++)
        unlink(f->paths[i]);
    CHECK_EQ(rmdir(f->directory), 0);
    arena_fini(&f->arena);
}

#endif

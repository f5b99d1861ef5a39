#ifndef HZ_CONFIG_ENVIRONMENT_H
#define HZ_CONFIG_ENVIRONMENT_H
/*
 * environment - variables of the process and, in development, of .env.local and .env.
 *
 * The process's own variables win, then .env.local, then .env. An empty value counts as not set.
 *
 * Owner: everything lives in the arena given.
 */

#include "config/config.h"
#include "config/document.h"

enum { ENV_FILE_BYTES_MAX = 65536 };

struct variable {
    struct str name, value;
    struct origin origin; /* for messages: names the variable, in a file also its line */
};

struct environment {
    enum run_env run_env;  /* HUNTAZE_ENV of the process; development without it */
    struct variable *vars; /* the winning one of a name stands first */
    size_t len, cap;
};

void environment_read(struct arena *a, const struct config_sources *sources,
                      struct problems *problems, struct environment *out);
/* The lines NAME=value of a .env file: comments, `export`, single and double quotes. */
void environment_read_file(struct arena *a, struct str text, const char *file,
                           struct problems *problems, struct environment *out);
/* NULL when it is not set. */
const struct variable *environment_get(const struct environment *env, struct str name);

/* Lays the variables that name options upon the document: HUNTAZE_SERVER_LISTEN, and the names that
 * the product already uses, which lose to ours. */
void environment_apply(const struct environment *env, struct arena *a, struct node *root,
                       struct problems *problems);
/* The same for "server.listen=..." of the command line. */
void overrides_apply(const char *const *overrides, struct arena *a, struct node *root,
                     struct problems *problems);

/* A whole file of at most `max` bytes. NULL with the reason in `why`; *is_missing when there is
 * none. */
char *file_read(struct arena *a, const char *path, size_t max, size_t *len, const char **why,
                bool *is_missing);

#endif

#ifndef HZ_CLI_OPTIONS_H
#define HZ_CLI_OPTIONS_H
/*
 * options - long options from a table: parsing, --help, and errors that list what is allowed.
 *
 * --help is understood everywhere. `--name value` and `--name=value` are the same. "set" may be given
 * several times; of the others the last one counts.
 */

#include "base/defs.h"

struct cli_option {
    const char *name;  /* without the dashes */
    const char *value; /* what the help calls its value; NULL: a flag */
    const char *help;
};

struct cli_command {
    const char *usage; /* "huntaze keys create [options]" */
    const char *about;
    const struct cli_option *options;
    size_t options_len;
    size_t words_max; /* how many words without dashes it takes */
};

enum { CLI_OPTIONS_MAX = 24, CLI_WORDS_MAX = 4, CLI_SETS_MAX = 32 };

struct cli_args {
    const struct cli_command *command;
    const char *values[CLI_OPTIONS_MAX]; /* by option; flags: "" when given */
    const char *words[CLI_WORDS_MAX];
    size_t words_len;
    const char *sets[CLI_SETS_MAX + 1]; /* of --set, NULL-terminated */
    size_t sets_len;
};

enum cli_verdict { CLI_GO_ON, CLI_HELP_SHOWN, CLI_WRONG };
/* argv: without the program's and the command's name. Prints help or the error itself. */
enum cli_verdict cli_parse(const struct cli_command *command, int argc, char **argv,
                           struct cli_args *out) HZ_MUST_USE;
/* Exit code for a verdict that is not CLI_GO_ON. */
int cli_exit_code(enum cli_verdict verdict);

/* NULL when not given. The name must be in the table. */
const char *cli_value(const struct cli_args *args, const char *name);
bool cli_has(const struct cli_args *args, const char *name);

/* The two options that every command with a configuration has. */
#define CLI_CONFIG_OPTIONS                                                                         \
    { "config", "FILE", "configuration file (default: embedded defaults)" },                       \
    { "set", "NAME=VALUE", "override one option, e.g. --set server.region=westeurope" }

struct config;
struct buf;
/* Loads as --config and --set say; prints all errors to standard error and returns NULL. */
struct config *cli_load_config(const struct cli_args *args);
/* The same, but errors are added to `errors`, one a line. */
struct config *cli_read_config(const struct cli_args *args, struct buf *errors);
/* As the first, for commands that call no provider: references to keys are not read. */
struct config *cli_load_config_without_secrets(const struct cli_args *args);

#endif

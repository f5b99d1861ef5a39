#include "cli/options.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config/config.h"

static void print_help(const struct cli_command *command)
{
    printf("Usage: %s\n\n%s\n\nOptions:\n", command->usage, command->about);
    for (size_t i = 0; i < command->options_len; i++) {
        const struct cli_option *o = &command->options[i];
        char left[64];
        snprintf(left, sizeof(left), "--%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
        printf("  %-26s %s\n", left, o->help);
    }
    printf("  %-26s %s\n", "--help", "this text");
}

static void list_options(const struct cli_command *command)
{
    fprintf(stderr, "; allowed:");
    for (size_t i = 0; i < command->options_len; i++)
        fprintf(stderr, " --%s", command->options[i].name);
    fprintf(stderr, " --help\n");
}

static size_t find_option(const struct cli_command *command, const char *name, size_t len)
{
    for (size_t i = 0; i < command->options_len; i++) {
        if (strlen(command->options[i].name) == len && strncmp(command->options[i].name, name, len) == 0)
            return i;
    }
    return SIZE_MAX;
}

static enum cli_verdict wrong(const struct cli_command *command, const char *what, const char *name)
{
    fprintf(stderr, "huntaze: %s '%s'", what, name);
    list_options(command);
    return CLI_WRONG;
}

static enum cli_verdict take_value(struct cli_args *out, size_t option, const char *value)
{
    if (strcmp(out->command->options[option].name, "set") != 0) {
        out->values[option] = value;
        return CLI_GO_ON;
    }
    if (out->sets_len == CLI_SETS_MAX) {
        fprintf(stderr, "huntaze: more than %d --set options\n", CLI_SETS_MAX);
        return CLI_WRONG;
    }
    out->sets[out->sets_len++] = value;
    return CLI_GO_ON;
}

/* Takes the option at argv[*at], and its value. */
static enum cli_verdict take_option(struct cli_args *out, int argc, char **argv, int *at)
{
    const struct cli_command *command = out->command;
    const char *name = argv[*at] + 2;
    const char *equals = strchr(name, '=');
    size_t option = find_option(command, name, equals ? (size_t)(equals - name) : strlen(name));
    if (option == SIZE_MAX)
        return wrong(command, "unknown option", argv[*at]);
    bool wants_value = command->options[option].value != NULL;
    if (!wants_value && equals)
        return wrong(command, "this option takes no value:", argv[*at]);
    if (!wants_value)
        return take_value(out, option, "");
    if (equals)
        return take_value(out, option, equals + 1);
    if (*at + 1 >= argc)
        return wrong(command, "this option needs a value:", argv[*at]);
    return take_value(out, option, argv[++*at]);
}

enum cli_verdict cli_parse(const struct cli_command *command, int argc, char **argv, struct cli_args *out)
{
    HZ_ASSERT(command->options_len <= CLI_OPTIONS_MAX && command->words_max <= CLI_WORDS_MAX);
    *out = (struct cli_args) { .command = command };
    for (int i = 0; i < argc; i++) {
        enum cli_verdict verdict = CLI_GO_ON;
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help(command);
            return CLI_HELP_SHOWN;
        }
        if (strncmp(argv[i], "--", 2) == 0 && argv[i][2])
            verdict = take_option(out, argc, argv, &i);
        else if (out->words_len < command->words_max && argv[i][0] != '-')
            out->words[out->words_len++] = argv[i];
        else
            verdict = wrong(command, "unexpected argument", argv[i]);
        if (verdict != CLI_GO_ON)
            return verdict;
    }
    return CLI_GO_ON;
}

int cli_exit_code(enum cli_verdict verdict)
{
    return verdict == CLI_WRONG ? 2 : 0;
}

const char *cli_value(const struct cli_args *args, const char *name)
{
    size_t option = find_option(args->command, name, strlen(name));
    HZ_ASSERT(option != SIZE_MAX);
    return args->values[option];
}

bool cli_has(const struct cli_args *args, const char *name)
{
    return cli_value(args, name) != NULL;
}

static struct config *read_config(const struct cli_args *args, bool skips_secrets, struct buf *errors)
{
    const struct config_sources sources = {
        .file = cli_value(args, "config"),
        .env = (const char *const *)environ,
        .overrides = args->sets,
        .skips_secrets = skips_secrets,
    };
    return config_load(&sources, errors);
}

struct config *cli_read_config(const struct cli_args *args, struct buf *errors)
{
    return read_config(args, false, errors);
}

static struct config *load_config(const struct cli_args *args, bool skips_secrets)
{
    struct buf errors = { 0 };
    struct config *config = read_config(args, skips_secrets, &errors);
    if (!config)
        fprintf(stderr, "huntaze: the configuration is not valid:\n%.*s", STR_ARG(buf_str(&errors)));
    buf_fini(&errors);
    return config;
}

struct config *cli_load_config(const struct cli_args *args)
{
    return load_config(args, false);
}

struct config *cli_load_config_without_secrets(const struct cli_args *args)
{
    return load_config(args, true);
}

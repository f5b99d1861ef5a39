#include "config/config.h"

#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/options.h"

static const struct cli_option check_options[] = {
    CLI_CONFIG_OPTIONS,
    { "print", NULL, "print all values after all sources, as YAML; secrets as ***" },
};
static const struct cli_command check_command = {
    .usage = "huntaze config check [options]",
    .about =
        "Reads the configuration and prints everything that is wrong with it, with file, line and\n"
        "what is allowed. What each option means: docs/configuration.md.\n"
        "Exit code 0: valid, perhaps with warnings; 1: not valid.",
    .options = check_options,
    .options_len = HZ_LEN(check_options),
    .words_max = 1,
};

static void print_warnings(const struct config *c)
{
    for (size_t i = 0; i < c->warnings_len; i++)
        fprintf(stderr, "warning: %.*s\n", STR_ARG(c->warnings[i]));
}

static void print_values(const struct config *c)
{
    struct buf text = { 0 };
    config_print(c, &text);
    fwrite(text.at, 1, text.len, stdout);
    buf_fini(&text);
}

int cli_config(int argc, char **argv)
{
    struct cli_args args;
    enum cli_verdict verdict = cli_parse(&check_command, argc, argv, &args);
    if (verdict != CLI_GO_ON)
        return cli_exit_code(verdict);
    if (args.words_len != 1 || strcmp(args.words[0], "check") != 0) {
        fprintf(
            stderr,
            "huntaze: what shall be done with the configuration? allowed: huntaze config check\n");
        return 2;
    }
    struct config *config = cli_load_config(&args);
    if (!config)
        return 1;
    print_warnings(config);
    if (cli_has(&args, "print"))
        print_values(config);
    else
        printf("%.*s is valid: %zu providers, %zu models, %zu deployments, %zu routes\n",
               STR_ARG(config->source), config->providers_len, config->models_len,
               config->deployments_len, config->routes_len);
    config_unref(config);
    return 0;
}

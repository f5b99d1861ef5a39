#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *about;
} commands[] = {
    { "serve", cli_serve, "run the router" },
    { "sim", cli_sim, "run a simulated provider, for tests and development" },
    { "keys", cli_keys, "create, list and revoke API keys" },
    { "config", cli_config, "check a configuration" },
    { "providers", cli_providers, "make one small real call to every deployment" },
    { "verify", cli_verify, "check the ledger" },
};
enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static void print_help(FILE *out)
{
    fprintf(out, "Huntaze %s: the AI platform under a content creator's business\n\n", HZ_VERSION);
    fprintf(out, "Usage: huntaze COMMAND [options]\n\nCommands:\n");
    for (int i = 0; i < COMMANDS; i++)
        fprintf(out, "  %-12s %s\n", commands[i].name, commands[i].about);
    fprintf(out, "\n`huntaze COMMAND --help` tells the options of each.\n");
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    for (int i = 0; i < COMMANDS; i++) {
        if (strcmp(name, commands[i].name) == 0)
            return commands[i].run(argc - 2, argv + 2);
    }
    if (strcmp(name, "--version") == 0 || strcmp(name, "version") == 0) {
        printf("huntaze %s\n", HZ_VERSION);
        return 0;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_help(stdout);
        return 0;
    }
    if (name[0])
        fprintf(stderr, "huntaze: unknown command '%s'\n\n", name);
    print_help(stderr);
    return 2;
}

#ifndef HZ_CLI_CLI_H
#define HZ_CLI_CLI_H
/*
 * cli - the subcommands, one file each. Each gets the arguments behind its name and returns the
 * exit code: 0 done, 1 it failed, 2 the command line is wrong.
 */

int cli_serve(int argc, char **argv);
int cli_sim(int argc, char **argv);
int cli_keys(int argc, char **argv);
int cli_config(int argc, char **argv);
int cli_providers(int argc, char **argv);
int cli_verify(int argc, char **argv);

#endif

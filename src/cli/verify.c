#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "config/config.h"
#include "ledger/ledger.h"

static const struct cli_option verify_options[] = { CLI_CONFIG_OPTIONS };
static const struct cli_command verify_command = {
    .usage = "huntaze verify ledger [options]",
    .about = "Checks the ledger: the hash chain, that each row belongs to one batch, that no attempt is\n"
             "settled twice, and that rollups equal the rows. Works on a running system.\n"
             "Exit code 0: sound; 1: not sound, or not readable.",
    .options = verify_options,
    .options_len = HZ_LEN(verify_options),
    .words_max = 1,
};

int cli_verify(int argc, char **argv)
{
    struct cli_args args;
    enum cli_verdict verdict = cli_parse(&verify_command, argc, argv, &args);
    if (verdict != CLI_GO_ON)
        return cli_exit_code(verdict);
    if (args.words_len != 1 || strcmp(args.words[0], "ledger") != 0) {
        fprintf(stderr, "huntaze: what shall be verified? allowed: huntaze verify ledger\n");
        return 2;
    }
    struct config *config = cli_load_config_without_secrets(&args);
    if (!config)
        return 1;
    struct buf out = { 0 };
    bool is_sound = false;
    enum err err = ledger_verify(config->store.url, &out, &is_sound);
    fwrite(out.at, 1, out.len, stdout);
    buf_fini(&out);
    config_unref(config);
    return err || !is_sound ? 1 : 0;
}

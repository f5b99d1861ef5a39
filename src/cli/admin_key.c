#include "cli/admin_key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void set_path(const struct config *config, struct admin_key *out)
{
    struct str database = config->store.is_postgres ? STR("./data/x") : config->store.sqlite_path;
    size_t len = database.len;
    while (len > 0 && database.at[len - 1] != '/')
        len--;
    snprintf(out->path, sizeof(out->path), "%.*sadmin.key", (int)len, database.at);
}

static bool read_file(struct admin_key *out)
{
    FILE *file = fopen(out->path, "r");
    if (!file)
        return false;
    size_t n = fread(out->text, 1, KEY_TEXT_LEN, file);
    fclose(file);
    out->text[n] = '\0';
    return key_is_well_formed(str_of(out->text));
}

static enum err write_file(const struct admin_key *out, struct fail *fail)
{
    int fd = open(out->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t n = fd < 0 ? -1 : dprintf(fd, "%s\n", out->text);
    int saved = errno;
    if (fd >= 0)
        close(fd);
    return n > 0 ? OK : fail_set(fail, ERR_IO, "cannot write %s: %s", out->path, strerror(saved));
}

static bool is_known(struct store *store, const struct admin_key *key)
{
    struct key_table *table = NULL;
    if (key_table_load(store, -1, &table) != OK)
        return false;
    bool found = key_table_find(table, str_of(key->text)) != NULL;
    key_table_destroy(table);
    return found;
}

static enum err make_key(struct store *store, struct admin_key *out, struct fail *fail)
{
    struct key_request request = {
        .name = STR("admin"),
        .account = STR("default"),
        .scopes = SCOPE_CHAT | SCOPE_FEATURES | SCOPE_SEND | SCOPE_ADMIN,
    };
    enum err err = key_create(store, &request, out->text);
    if (err)
        return fail_set(fail, err, "cannot make an admin key: %s", store_error(store));
    return write_file(out, fail);
}

enum err admin_key_ensure(const struct config *config, struct admin_key *out, struct fail *fail)
{
    struct store_options options = { .url = config->store.url };
    struct store *store = NULL;
    enum err err = store_open(&options, &store, fail);
    if (err)
        return err;
    set_path(config, out);
    if (!read_file(out) || !is_known(store, out))
        err = make_key(store, out, fail);
    store_close(store);
    return err;
}

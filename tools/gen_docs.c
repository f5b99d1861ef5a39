/* gen_docs FILE writes docs/configuration.md from the tables; gen_docs --check FILE fails when it
 * differs. */
#include "config/config.h"

#include <stdio.h>

static bool is_same(const char *path, struct str text)
{
    FILE *file = fopen(path, "rb");
    struct buf now = { 0 };
    if (!file)
        return false;
    now.len = fread(buf_reserve(&now, text.len + 1), 1, text.len + 1, file);
    bool is_equal = str_eq(buf_str(&now), text);
    buf_fini(&now);
    fclose(file);
    return is_equal;
}

static bool write_file(const char *path, struct str text)
{
    FILE *file = fopen(path, "wb");
    if (!file)
        return false;
    bool is_written = fwrite(text.at, 1, text.len, file) == text.len;
    return fclose(file) == 0 && is_written;
}

int main(int argc, char **argv)
{
    bool is_check = argc == 3 && str_is(str_of(argv[1]), "--check");
    if (argc != 2 && !is_check) {
        fprintf(stderr, "usage: gen_docs [--check] FILE\n");
        return 2;
    }
    struct buf text = { 0 };
    const char *path = argv[argc - 1];
    config_write_reference(&text);
    bool is_good = is_check ? is_same(path, buf_str(&text)) : write_file(path, buf_str(&text));
    buf_fini(&text);
    if (!is_good)
        fprintf(stderr,
                is_check ? "%s is not what the tables say: run ninja docs\n" : "cannot write %s\n",
                path);
    return is_good ? 0 : 1;
}

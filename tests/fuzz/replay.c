/* Runs a fuzz target over files, and over the files of directories. */

#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

static int replayed;

static bool run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct buf bytes = { 0 };
    char piece[1024];
    size_t n;
    if (!file) {
        perror(path);
        return false;
    }
    while ((n = fread(piece, 1, sizeof(piece), file)) > 0)
        buf_add(&bytes, str_make(piece, n));
    fclose(file);
    struct str input = fuzz_copy(buf_str(&bytes));
    /* Before the run, so that the last name printed is the one that crashed. */
    printf("%s (%zu bytes)\n", path, input.len);
    fflush(stdout);
    LLVMFuzzerTestOneInput((const uint8_t *)input.at, input.len);
    fuzz_free(input);
    buf_fini(&bytes);
    replayed++;
    return true;
}

static bool run_directory(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    bool is_ok = true;
    if (!dir) {
        perror(path);
        return false;
    }
    while (is_ok && (entry = readdir(dir))) {
        char name[1024];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        is_ok = run_file(name);
    }
    closedir(dir);
    return is_ok;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        struct stat st;
        bool is_dir = stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode);
        if (!(is_dir ? run_directory(argv[i]) : run_file(argv[i])))
            return 1;
    }
    printf("%d inputs\n", replayed);
    return replayed > 0 ? 0 : 1;
}

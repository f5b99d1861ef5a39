#include "folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/defs.h"

enum { PATH_BYTES = 400 };

/* The next file's name, or NULL. */
static const char *next_name(DIR *all)
{
    struct dirent *entry;
    while ((entry = readdir(all)) && entry->d_name[0] == '.')
        ;
    return entry ? entry->d_name : NULL;
}

void folder_clear(const char *path)
{
    const char *name;
    DIR *all = opendir(path);
    HZ_ASSERT(all);
    while ((name = next_name(all)))
        unlinkat(dirfd(all), name, 0);
    closedir(all);
}

static void copy_one(const char *from, const char *to)
{
    static char bytes[16384];
    ssize_t len;
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    HZ_ASSERT(in >= 0 && out >= 0);
    while ((len = read(in, bytes, sizeof(bytes))) > 0)
        HZ_ASSERT(write(out, bytes, (size_t)len) == len);
    close(in);
    close(out);
}

void folder_copy(const char *from, const char *to)
{
    char source[PATH_BYTES], target[PATH_BYTES];
    const char *name;
    DIR *all = opendir(from);
    HZ_ASSERT(all);
    while ((name = next_name(all))) {
        struct stat st;
        snprintf(source, sizeof(source), "%s/%s", from, name);
        snprintf(target, sizeof(target), "%s/%s", to, name);
        if (stat(source, &st) == 0 && S_ISREG(st.st_mode) && !strstr(name, ".certain"))
            copy_one(source, target);
    }
    closedir(all);
}

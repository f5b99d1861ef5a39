#include "store/sqlite_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

enum { CHECK_CLEAN_MS = 20, CHECK_CRASHED_MS = 1000, CHECK_STEPS = 1000 };

static const char *reason(int number, char *out, size_t size)
{
    return strerror_r(number, out, size);
}

bool store_make_directories(const char *path)
{
    char *part = mem_strdup(path);
    bool is_made = true;
    for (char *slash = strchr(part + 1, '/'); slash && is_made; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        is_made = mkdir(part, 0700) == 0 || errno == EEXIST;
        *slash = '/';
    }
    mem_free(part);
    return is_made;
}

enum err sqlite_file_make(const char *path, const char *option, struct fail *fail)
{
    char why[128];
    struct stat st;
    /* An existing file is not opened here: closing it again would drop the locks that another
     * connection of this process holds on it. */
    if (stat(path, &st) == 0) {
        if (S_ISREG(st.st_mode))
            return OK;
        return fail_set(fail, ERR_STORE, "the store %s is not a file", path);
    }
    int fd = -1;
    if (store_make_directories(path))
        fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno != EEXIST)
        return fail_set(fail, ERR_STORE,
                        "the store %s cannot be made: %s; choose another place with %s or make "
                        "the directory writable",
                        path, reason(errno, why, sizeof(why)), option);
    if (fd >= 0)
        close(fd);
    return OK;
}

/* SQLite does so for a log that it makes itself, but not for one that a killed process has made and
 * never synced: a power cut would take the log, and all commits in it. */
enum err sqlite_file_sync_directory(const char *path, struct fail *fail)
{
    char why[128];
    const char *slash = strrchr(path, '/');
    char *directory = slash ? str_dup(str_make(path, (size_t)(slash - path) + 1)) : mem_strdup(".");
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_synced = fd >= 0 && fsync(fd) == 0;
    int number = errno;
    if (fd >= 0)
        close(fd);
    mem_free(directory);
    return is_synced ? OK
                     : fail_set(fail, ERR_STORE, "the directory of the store %s cannot be synced: %s",
                                path, reason(number, why, sizeof(why)));
}

static int read_number(sqlite3 *db, const char *sql, int64_t *out)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static enum err refuse_damaged(const char *path, const char *detail, struct fail *fail)
{
    return fail_set(
        fail, ERR_STORE,
        "the store %s is damaged (%s): put a backup in its place, or move it and its -wal "
        "file away to start anew",
        path, detail);
}

enum err sqlite_file_is_ours(sqlite3 *db, const char *path, const char *option,
                             struct fail *fail)
{
    int64_t id = 0, tables = 0;
    int rc = read_number(db, "PRAGMA application_id", &id);
    if (rc == SQLITE_OK)
        rc = read_number(db, "SELECT count(*) FROM sqlite_schema", &tables);
    if ((rc & 0xff) == SQLITE_NOTADB)
        return fail_set(
            fail, ERR_STORE,
            "%s is not a SQLite database: choose another file with %s, or move this one away", path,
            option);
    if ((rc & 0xff) == SQLITE_CORRUPT)
        return refuse_damaged(path, sqlite3_errmsg(db), fail);
    if (rc != SQLITE_OK)
        return fail_set(fail, ERR_STORE, "the store %s cannot be read: %s", path,
                        sqlite3_errmsg(db));
    if (id == SQLITE_APPLICATION_ID || (id == 0 && tables == 0))
        return OK;
    return fail_set(fail, ERR_STORE,
                    "%s is the database of another program: choose another file with %s", path,
                    option);
}

static int is_late(void *arg)
{
    return clock_mono_ns() > *(const int64_t *)arg;
}

/* Only a last connection that closes in order removes the log. */
static bool was_crashed(const char *path)
{
    struct buf log = { 0 };
    struct stat st;
    buf_addf(&log, "%s-wal%c", path, 0);
    bool is_there = stat(log.at, &st) == 0 && st.st_size > 0;
    buf_fini(&log);
    return is_there;
}

enum err sqlite_file_check(sqlite3 *db, const char *path, struct fail *fail)
{
    int64_t limit_ms = was_crashed(path) ? CHECK_CRASHED_MS : CHECK_CLEAN_MS;
    int64_t until_ns = clock_mono_ns() + limit_ms * NS_PER_MS;
    enum err err = OK;
    sqlite3_stmt *check = NULL;
    sqlite3_progress_handler(db, CHECK_STEPS, is_late, &until_ns);
    int rc = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &check, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(check);
    if (rc == SQLITE_ROW) {
        const char *verdict = (const char *)sqlite3_column_text(check, 0);
        if (!verdict || strcmp(verdict, "ok") != 0)
            err = refuse_damaged(path, verdict ? verdict : "unreadable", fail);
    } else if ((rc & 0xff) != SQLITE_INTERRUPT) {
        err = refuse_damaged(path, sqlite3_errmsg(db), fail);
    }
    sqlite3_finalize(check);
    sqlite3_progress_handler(db, 0, NULL, NULL);
    return err;
}

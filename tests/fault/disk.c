#include "disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

enum { FILES_MAX = 16, PATH_MAX_HERE = 256, SECTOR = 512 };

struct image {
    char *at;
    size_t len, cap;
};

struct change {
    bool is_truncation; /* to `at` bytes */
    size_t at, len;
    char *bytes;
};

struct file {
    char path[PATH_MAX_HERE];
    bool is_there;   /* now */
    bool is_certain; /* its directory entry, pointing at `synced` */
    struct image synced;
    struct change *changes;
    size_t changes_len, changes_cap;
    bool has_old; /* another file was deleted here, and that is not certain */
    struct image old;
};

struct handle {
    sqlite3_file base;
    struct file *file; /* NULL: not ours to keep in mind */
    bool must_sync_directory;
    sqlite3_file real[];
};

static struct disk {
    struct disk_plan plan;
    pthread_mutex_t lock;
    sqlite3_vfs *below; /* the unix one */
    sqlite3_vfs vfs;
    uint64_t state;
    long operations;
    int style; /* of the cut */
    struct file files[FILES_MAX];
    size_t files_len;
} disk = { .lock = PTHREAD_MUTEX_INITIALIZER };

uint64_t disk_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

static uint64_t random_next(void)
{
    return disk_random(&disk.state);
}

static bool random_one_in(unsigned n)
{
    return random_next() % n == 0;
}

static _Noreturn void broken(const char *what, const char *path)
{
    fprintf(stderr, "disk: %s %s\n", what, path);
    abort();
}

/* ---- images ---- */

/* Grown bytes are zeros, as those of a file. */
static void image_resize(struct image *m, size_t len)
{
    if (len > m->cap) {
        m->cap = HZ_MAX(len, m->cap * 2);
        m->at = mem_realloc(m->at, m->cap);
    }
    if (len > m->len)
        memset(m->at + m->len, 0, len - m->len);
    m->len = len;
}

static void image_put(struct image *m, size_t at, const char *bytes, size_t len)
{
    if (!len)
        return;
    image_resize(m, HZ_MAX(m->len, at + len));
    memcpy(m->at + at, bytes, len);
}

static void image_free(struct image *m)
{
    mem_free(m->at);
    *m = (struct image) { 0 };
}

static bool image_read(struct image *m, const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    if (fstat(fd, &st) != 0)
        broken("cannot read", path);
    image_resize(m, (size_t)st.st_size);
    if (pread(fd, m->at, m->len, 0) != (ssize_t)m->len)
        broken("cannot read", path);
    close(fd);
    return true;
}

static void image_write(const struct image *m, const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, m->at, m->len) != (ssize_t)m->len)
        broken("cannot write", path);
    close(fd);
}

/* ---- what is not synced ---- */

static void add_change(struct file *f, bool is_truncation, size_t at, struct str bytes)
{
    if (f->changes_len == f->changes_cap) {
        f->changes_cap = f->changes_cap ? f->changes_cap * 2 : 64;
        f->changes = mem_realloc(f->changes, f->changes_cap * sizeof(*f->changes));
    }
    struct change *c = &f->changes[f->changes_len++];
    *c = (struct change) { .is_truncation = is_truncation, .at = at, .len = bytes.len };
    if (bytes.len) {
        c->bytes = mem_alloc(bytes.len);
        memcpy(c->bytes, bytes.at, bytes.len);
    }
}

static void forget_changes(struct file *f)
{
    for (size_t i = 0; i < f->changes_len; i++)
        mem_free(f->changes[i].bytes);
    f->changes_len = 0;
}

static void apply(struct image *m, const struct change *c)
{
    if (c->is_truncation)
        image_resize(m, c->at);
    else
        image_put(m, c->at, c->bytes, c->len);
}

/* Sector by sector, and the first and last of those that came are cut anywhere. Where the file grew
 * without its bytes stand zeros, or whatever was there. */
static void apply_torn(struct image *m, const struct change *c)
{
    if (c->is_truncation)
        return;
    for (size_t done = 0; done < c->len;) {
        size_t len = HZ_MIN(SECTOR - (c->at + done) % SECTOR, c->len - done);
        size_t grown = c->at + done + len > m->len ? m->len : 0;
        if (random_one_in(2)) {
            size_t cut = random_one_in(4) ? random_next() % (len + 1) : len;
            image_put(m, c->at + done, c->bytes + done, cut);
        } else if (grown && random_one_in(2)) {
            image_resize(m, c->at + done + len);
            for (size_t i = grown; i < m->len && random_next() % 8; i++)
                m->at[i] = (char)random_next();
        }
        done += len;
    }
}

enum { KEEP, DROP, TEAR, STYLES = 4 };

static int fate_of(const struct file *f, size_t i)
{
    switch (disk.style) {
    case 0: return DROP;
    case 1: return i + 1 == f->changes_len ? TEAR : KEEP;
    case 2: return random_one_in(2) ? KEEP : random_one_in(2) ? DROP : TEAR;
    default: return i < f->changes_len / 2 ? KEEP : (int)(random_next() % 3);
    }
}

static void settle_changes(struct file *f)
{
    for (size_t i = 0; i < f->changes_len; i++) {
        int fate = fate_of(f, i);
        if (fate == KEEP)
            apply(&f->synced, &f->changes[i]);
        else if (fate == TEAR)
            apply_torn(&f->synced, &f->changes[i]);
    }
    forget_changes(f);
}

static void sync_file(struct file *f)
{
    for (size_t i = 0; i < f->changes_len; i++)
        apply(&f->synced, &f->changes[i]);
    forget_changes(f);
}

static void sync_directory(void)
{
    for (struct file *f = disk.files; f < disk.files + disk.files_len; f++) {
        f->has_old = false;
        f->is_certain = f->is_there;
        if (!f->is_there) {
            forget_changes(f);
            image_free(&f->synced);
        }
    }
}

static void on_created(struct file *f)
{
    if (f->is_certain) { /* deleted, but perhaps not on the disk */
        settle_changes(f);
        image_free(&f->old);
        f->old = f->synced;
        f->synced = (struct image) { 0 };
        f->has_old = true;
        f->is_certain = false;
    }
    forget_changes(f);
    image_free(&f->synced);
    f->is_there = true;
}

/* ---- the cut ---- */

static void certain_path(const struct file *f, char out[PATH_MAX_HERE + 16])
{
    snprintf(out, PATH_MAX_HERE + 16, "%s.certain", f->path);
}

/* After a kill the next process finds the files as they are, and beside them what is certain. */
static void leave_for_next(struct file *f)
{
    char path[PATH_MAX_HERE + 16];
    certain_path(f, path);
    if (f->is_certain)
        image_write(&f->synced, path);
    else if (f->has_old)
        image_write(&f->old, path);
}

static void leave_what_stays(struct file *f)
{
    bool was_new = f->is_there && !f->is_certain, was_deleted = !f->is_there && f->is_certain;
    bool stays = f->is_there;
    if (was_new || was_deleted)
        stays = random_one_in(2);
    const struct image *left = &f->synced;
    if (was_new && !stays && f->has_old) {
        stays = true;
        left = &f->old;
    } else {
        settle_changes(f);
    }
    if (stays)
        image_write(left, f->path);
    else
        unlink(f->path);
}

/* The lock is held. */
static _Noreturn void cut(void)
{
    disk.style = (int)(random_next() % STYLES);
    for (struct file *f = disk.files; f < disk.files + disk.files_len; f++) {
        if (disk.plan.is_kill)
            leave_for_next(f);
        else
            leave_what_stays(f);
    }
    _exit(0);
}

void disk_cut(void)
{
    pthread_mutex_lock(&disk.lock);
    cut();
}

/* ---- files ---- */

/* After a kill: what differs from the certain state is still only written. */
static void find_unsynced(struct file *f)
{
    char path[PATH_MAX_HERE + 16];
    struct image now = { 0 };
    certain_path(f, path);
    f->is_certain = image_read(&f->synced, path);
    unlink(path);
    f->is_there = image_read(&now, f->path);
    if (now.len < f->synced.len)
        add_change(f, true, now.len, STR_NONE);
    for (size_t at = 0; at < now.len; at += SECTOR) {
        size_t len = HZ_MIN((size_t)SECTOR, now.len - at);
        bool is_same = at + len <= f->synced.len && !memcmp(now.at + at, f->synced.at + at, len);
        if (!is_same)
            add_change(f, false, at, str_make(now.at + at, len));
    }
    image_free(&now);
}

static struct file *find_file(const char *path)
{
    size_t len = strlen(disk.plan.directory);
    if (!path || strncmp(path, disk.plan.directory, len) != 0)
        return NULL;
    for (size_t i = 0; i < disk.files_len; i++) {
        if (strcmp(disk.files[i].path, path) == 0)
            return &disk.files[i];
    }
    HZ_ASSERT(disk.files_len < FILES_MAX && strlen(path) < PATH_MAX_HERE);
    struct file *f = &disk.files[disk.files_len++];
    memcpy(f->path, path, strlen(path) + 1);
    return f;
}

/* The files that stand at the start are certain, unless a kill left word. */
static void take_stock(bool is_after_kill)
{
    struct dirent *entry;
    DIR *all = opendir(disk.plan.directory);
    if (!all)
        broken("cannot read", disk.plan.directory);
    while ((entry = readdir(all))) {
        char path[PATH_MAX_HERE];
        const char *end = strstr(entry->d_name, ".certain");
        int len = end ? (int)(end - entry->d_name) : (int)strlen(entry->d_name);
        bool is_database = strstr(entry->d_name, ".db") && !strstr(entry->d_name, "-shm") &&
                           !strstr(entry->d_name, ".lock");
        if (!is_database)
            continue;
        snprintf(path, sizeof(path), "%s/%.*s", disk.plan.directory, len, entry->d_name);
        size_t known = disk.files_len;
        struct file *f = find_file(path);
        if (known == disk.files_len)
            continue;
        if (is_after_kill)
            find_unsynced(f);
        else
            f->is_there = f->is_certain = image_read(&f->synced, path);
    }
    closedir(all);
}

/* ---- the VFS ---- */

static struct handle *handle_of(sqlite3_file *file)
{
    return (struct handle *)file;
}

static sqlite3_file *real_of(sqlite3_file *file)
{
    return handle_of(file)->real;
}

static bool is_sick(const struct file *f, enum sickness store, enum sickness all)
{
    const struct disk_plan *p = &disk.plan;
    bool is_time = disk.operations >= p->sick_from && disk.operations < p->sick_to;
    bool is_spool = strstr(f->path, "spool") != NULL;
    return is_time && (p->sickness == all || (p->sickness == store && !is_spool));
}

static void count_operation(void)
{
    if (++disk.operations >= disk.plan.cut_at)
        cut();
}

static int on_write(sqlite3_file *file, const void *bytes, int len, sqlite3_int64 at)
{
    struct file *f = handle_of(file)->file;
    if (!f)
        return real_of(file)->pMethods->xWrite(real_of(file), bytes, len, at);
    pthread_mutex_lock(&disk.lock);
    int rc = is_sick(f, SICK_FULL_STORE, SICK_FULL_ALL) ? SQLITE_FULL : SQLITE_OK;
    if (rc == SQLITE_OK)
        add_change(f, false, (size_t)at, str_make(bytes, (size_t)len));
    count_operation();
    if (rc == SQLITE_OK)
        rc = real_of(file)->pMethods->xWrite(real_of(file), bytes, len, at);
    pthread_mutex_unlock(&disk.lock);
    return rc;
}

static int on_truncate(sqlite3_file *file, sqlite3_int64 len)
{
    struct file *f = handle_of(file)->file;
    if (!f)
        return real_of(file)->pMethods->xTruncate(real_of(file), len);
    pthread_mutex_lock(&disk.lock);
    add_change(f, true, (size_t)len, STR_NONE);
    count_operation();
    int rc = real_of(file)->pMethods->xTruncate(real_of(file), len);
    pthread_mutex_unlock(&disk.lock);
    return rc;
}

static int on_sync(sqlite3_file *file, int flags)
{
    struct handle *h = handle_of(file);
    (void)flags;
    if (!h->file)
        return SQLITE_OK;
    pthread_mutex_lock(&disk.lock);
    count_operation();
    int rc = SQLITE_OK;
    if (is_sick(h->file, SICK_FSYNC_STORE, SICK_FSYNC_ALL)) {
        disk.style = (int)(random_next() % STYLES);
        settle_changes(h->file);
        rc = SQLITE_IOERR_FSYNC;
    } else {
        sync_file(h->file);
        if (h->must_sync_directory)
            sync_directory();
        h->must_sync_directory = false;
    }
    pthread_mutex_unlock(&disk.lock);
    return rc;
}

static int on_control(sqlite3_file *file, int op, void *arg)
{
    /* Would change the file's size behind our back. */
    if (op == SQLITE_FCNTL_SIZE_HINT || op == SQLITE_FCNTL_CHUNK_SIZE)
        return SQLITE_NOTFOUND;
    return real_of(file)->pMethods->xFileControl(real_of(file), op, arg);
}

static int on_close(sqlite3_file *file)
{
    return real_of(file)->pMethods->xClose(real_of(file));
}

static int on_read(sqlite3_file *file, void *out, int len, sqlite3_int64 at)
{
    return real_of(file)->pMethods->xRead(real_of(file), out, len, at);
}

static int on_size(sqlite3_file *file, sqlite3_int64 *out)
{
    return real_of(file)->pMethods->xFileSize(real_of(file), out);
}

static int on_lock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int on_unlock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int on_check_lock(sqlite3_file *file, int *out)
{
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), out);
}

static int on_sector_size(sqlite3_file *file)
{
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int on_characteristics(sqlite3_file *file)
{
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int on_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **out)
{
    return real_of(file)->pMethods->xShmMap(real_of(file), page, size, extend, out);
}

static int on_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
    return real_of(file)->pMethods->xShmLock(real_of(file), offset, n, flags);
}

static void on_shm_barrier(sqlite3_file *file)
{
    real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int on_shm_unmap(sqlite3_file *file, int is_deleted)
{
    return real_of(file)->pMethods->xShmUnmap(real_of(file), is_deleted);
}

/* Version 2: no memory-mapped reads and writes past us. */
static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = on_close,
    .xRead = on_read,
    .xWrite = on_write,
    .xTruncate = on_truncate,
    .xSync = on_sync,
    .xFileSize = on_size,
    .xLock = on_lock,
    .xUnlock = on_unlock,
    .xCheckReservedLock = on_check_lock,
    .xFileControl = on_control,
    .xSectorSize = on_sector_size,
    .xDeviceCharacteristics = on_characteristics,
    .xShmMap = on_shm_map,
    .xShmLock = on_shm_lock,
    .xShmBarrier = on_shm_barrier,
    .xShmUnmap = on_shm_unmap,
};

static int on_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *out)
{
    const int synced_with_directory =
        SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL | SQLITE_OPEN_WAL;
    struct handle *h = handle_of(file);
    (void)vfs;
    pthread_mutex_lock(&disk.lock);
    *h = (struct handle) { .file = find_file(path) };
    bool was_there = path && access(path, F_OK) == 0;
    if (h->file)
        count_operation();
    int rc = disk.below->xOpen(disk.below, path, h->real, flags, out);
    if (rc == SQLITE_OK)
        h->base.pMethods = &methods;
    if (rc == SQLITE_OK && h->file && !h->file->is_there) /* SQLite's, or made beside it */
        on_created(h->file);
    h->must_sync_directory = !was_there && (flags & synced_with_directory);
    pthread_mutex_unlock(&disk.lock);
    return rc;
}

static int on_delete(sqlite3_vfs *vfs, const char *path, int must_sync_directory)
{
    (void)vfs;
    pthread_mutex_lock(&disk.lock);
    struct file *f = find_file(path);
    if (f)
        count_operation();
    int rc = disk.below->xDelete(disk.below, path, 0);
    if (rc == SQLITE_OK && f)
        f->is_there = false;
    if (rc == SQLITE_OK && f && must_sync_directory)
        sync_directory();
    pthread_mutex_unlock(&disk.lock);
    return rc;
}

/* The linker sends the program's own fsync here: it is only called for directories. */
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    (void)fd;
    pthread_mutex_lock(&disk.lock);
    if (disk.below)
        count_operation();
    sync_directory();
    pthread_mutex_unlock(&disk.lock);
    return 0;
}

void disk_install(const struct disk_plan *plan)
{
    char mark[PATH_MAX_HERE];
    disk.plan = *plan;
    disk.state = plan->seed;
    snprintf(mark, sizeof(mark), "%s/killed", plan->directory);
    take_stock(unlink(mark) == 0);
    disk.below = sqlite3_vfs_find("unix");
    disk.vfs = *disk.below;
    disk.vfs.pNext = NULL;
    disk.vfs.zName = "disk";
    disk.vfs.szOsFile = (int)sizeof(struct handle) + disk.below->szOsFile;
    disk.vfs.xOpen = on_open;
    disk.vfs.xDelete = on_delete;
    if (sqlite3_vfs_register(&disk.vfs, 1) != SQLITE_OK)
        broken("cannot register", "the VFS");
}

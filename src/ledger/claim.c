#include "ledger/claim.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "store/store.h"

void claim_init(struct claim *c, struct str store_url)
{
    struct str database = store_sqlite_path(store_url);
    struct buf path = { 0 };
    *c = (struct claim) { .fd = -1 };
    if (!database.len)
        return;
    buf_addf(&path, "%.*s.lock", STR_ARG(database));
    c->path = buf_take(&path);
}

void claim_fini(struct claim *c)
{
    claim_drop(c);
    mem_free(c->path);
}

static int open_file(const struct claim *c, struct fail *fail)
{
    char why[128];
    int fd = open(c->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        fail_set(fail, ERR_STORE, "%s cannot be opened: %s", c->path,
                 strerror_r(errno, why, sizeof(why)));
    return fd;
}

enum err claim_find(struct claim *c, struct fail *fail)
{
    struct stat st;
    if (!c->path)
        return OK;
    int fd = open_file(c, fail);
    if (fd < 0)
        return ERR_STORE;
    bool is_known = fstat(fd, &st) == 0;
    close(fd);
    if (!is_known)
        return fail_set(fail, ERR_STORE, "%s cannot be read", c->path);
    c->name = (struct claim_name) { (int64_t)st.st_dev, (int64_t)st.st_ino };
    return OK;
}

enum err claim_take(struct claim *c, struct fail *fail)
{
    if (claim_is_held(c))
        return OK;
    int fd = open_file(c, fail);
    if (fd < 0)
        return ERR_STORE;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        close(fd);
        return fail_set(
            fail, ERR_STORE,
            "the store %.*s is in use by another huntaze: stop it first, or use PostgreSQL, "
            "which several can share",
            (int)(strlen(c->path) - strlen(".lock")), c->path);
    }
    c->fd = fd;
    return OK;
}

void claim_drop(struct claim *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

bool claim_is_held(const struct claim *c)
{
    return !c->path || c->fd >= 0;
}

bool claim_is_named(const struct claim *c, const struct claim_name *name)
{
    return c->path && c->name.device == name->device && c->name.inode == name->inode;
}

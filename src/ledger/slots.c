#include "ledger/slots.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/planted.h"

enum { SLOT_BYTES = 2048, HEADER_BYTES = 4096, SLOTS_VERSION = 1, SLOTS_MOST = 1 << 20 };
enum { SLOT_FREE = 0, SLOT_USED = 0x55534544 };

static const char magic[8] = "hzslots";

struct header {
    char magic[8];
    uint32_t version;
    uint32_t slot_bytes;
    uint64_t count;
};

struct ledger_slot {
    _Atomic uint32_t state; /* written last: what stands behind it is whole */
    uint32_t len;
    uint64_t sum; /* a power cut may tear what a kill cannot */
    char body[SLOT_BYTES - 16];
};
_Static_assert(sizeof(struct ledger_slot) == SLOT_BYTES && ROW_BYTES_MAX <= SLOT_BYTES - 16,
               "a row fits into a slot");

/* A file of slots that we hold the lock of. */
struct slots_file {
    char *path;
    int fd;
    bool is_numbered;
};

struct slots {
    char *path; /* as configured */
    struct slots_file own, left[SLOTS_FILES_MOST];
    size_t left_len;
    struct names *names;
    size_t count;
    char *map;
    size_t map_bytes;
    struct ledger_slot *all;
    pthread_mutex_t lock;
    uint32_t *free; /* a stack, so that few pages are touched */
    size_t free_len;
    int64_t *operations; /* by slot; 0: free */
    int32_t *attempts;
    uint32_t *chains; /* slots in use by the hash of their operation: slot + 1, or 0 */
    uint32_t *nexts;  /* by slot: the next one of its chain, likewise */
};

/* FNV-1a over words: only has to see torn writes. */
static uint64_t sum_of(const char *bytes, size_t len)
{
    uint64_t sum = 14695981039346656037ull ^ len, word = 0;
    for (; len >= sizeof(word); bytes += sizeof(word), len -= sizeof(word)) {
        memcpy(&word, bytes, sizeof(word));
        sum = (sum ^ word) * 1099511628211ull;
        sum ^= sum >> 29;
    }
    word = 0;
    memcpy(&word, bytes, len);
    return (sum ^ word) * 1099511628211ull;
}

static enum err io_failed(const char *path, const char *doing, struct fail *fail)
{
    char why[128];
    return fail_set(fail, ERR_STORE,
                    "the file of calls in flight %s cannot be %s: %s (ledger.slots)", path, doing,
                    strerror_r(errno, why, sizeof(why)));
}

/* ---- files and their locks ---- */

static void file_close(struct slots_file *file)
{
    if (file->path)
        close(file->fd);
    mem_free(file->path);
    *file = (struct slots_file) { 0 };
}

/* -1 with errno: EWOULDBLOCK while another process holds it. */
static int open_locked(const char *path, int flags)
{
    struct stat st;
    for (;;) {
        int fd = open(path, O_RDWR | O_CLOEXEC | flags, 0600);
        if (fd < 0)
            return -1;
        bool is_ours = flock(fd, LOCK_EX | LOCK_NB) == 0;
        if (is_ours && fstat(fd, &st) == 0 && st.st_nlink > 0)
            return fd;
        close(fd);
        if (!is_ours) {
            errno = EWOULDBLOCK;
            return -1;
        }
        /* Its holder removed it between our open and our lock. */
    }
}

/* OK with file->path NULL: it is not there, or another process holds it. */
static enum err file_open(const struct slots *s, int number, int flags, struct slots_file *file,
                          struct fail *fail)
{
    struct buf path = { 0 };
    enum err err = OK;
    *file = (struct slots_file) { 0 };
    buf_add(&path, str_of(s->path));
    if (number)
        buf_addf(&path, ".%d", number);
    char *text = buf_take(&path);
    int fd = open_locked(text, flags);
    if (fd >= 0) {
        *file = (struct slots_file) { .path = text, .fd = fd, .is_numbered = number > 0 };
        return OK;
    }
    if (errno != ENOENT && errno != EWOULDBLOCK)
        err = io_failed(text, "opened", fail);
    mem_free(text);
    return err;
}

/* ---- what an earlier process left ---- */

static void read_slot(struct slots *s, const struct ledger_slot *slot, struct slots_found *found)
{
    if (atomic_load(&slot->state) == SLOT_FREE)
        return;
    struct record *r = MEM_NEW(struct record);
    bool is_whole = atomic_load(&slot->state) == SLOT_USED && slot->len <= sizeof(slot->body) &&
                    slot->sum == sum_of(slot->body, slot->len);
    if (!is_whole || row_decode(str_make(slot->body, slot->len), s->names, r) != OK) {
        found->damaged++;
        mem_free(r);
        return;
    }
    r->row.kind = TRANSFER_SETTLE;
    r->row.usage_source = USAGE_UNKNOWN;
    r->row.status = ATTEMPT_CRASHED;
    if (HZ_PLANTED(UNKNOWN_IS_FREE))
        r->row.amount_nusd = 0;
    r->next = found->rows;
    found->rows = r;
}

static enum err read_all(struct slots *s, const struct slots_file *file, struct slots_found *found,
                         struct fail *fail)
{
    enum err err = OK;
    struct stat st;
    if (fstat(file->fd, &st) != 0)
        return io_failed(file->path, "read", fail);
    size_t file_bytes = (size_t)st.st_size;
    if (file_bytes < HEADER_BYTES)
        return OK; /* new, or a process died before it took a slot */
    char *map = mmap(NULL, file_bytes, PROT_READ, MAP_SHARED, file->fd, 0);
    if (map == MAP_FAILED)
        return io_failed(file->path, "read", fail);
    struct header header;
    memcpy(&header, map, sizeof(header));
    bool is_blank = header.version == 0 && header.count == 0;
    if (!is_blank && (memcmp(header.magic, magic, sizeof(magic)) != 0 ||
                      header.version != SLOTS_VERSION || header.slot_bytes != SLOT_BYTES)) {
        err = fail_set(
            fail, ERR_STORE,
            "%s is not a file of calls in flight of this version: start the program that wrote "
            "it once more, or move the file away (ledger.slots)",
            file->path);
        goto out;
    }
    size_t there = (file_bytes - HEADER_BYTES) / SLOT_BYTES;
    const struct ledger_slot *slots = (const struct ledger_slot *)(map + HEADER_BYTES);
    for (size_t i = 0; i < HZ_MIN(there, header.count); i++)
        read_slot(s, &slots[i], found);
out:
    munmap(map, file_bytes);
    return err;
}

/* The first that nobody holds. */
static enum err choose_own(struct slots *s, struct fail *fail)
{
    enum err err = OK;
    if (!store_make_directories(s->path))
        return io_failed(s->path, "opened", fail);
    for (int i = 0; i < SLOTS_FILES_MOST && !err && !s->own.path; i++)
        err = file_open(s, i, O_CREAT, &s->own, fail);
    if (!err && !s->own.path)
        err = fail_set(fail, ERR_STORE,
                       "the files of calls in flight %s to .%d are all in use by other huntazes: "
                       "choose another ledger.slots",
                       s->path, SLOTS_FILES_MOST - 1);
    return err;
}

static enum err read_left(struct slots *s, int number, struct slots_found *found, struct fail *fail)
{
    struct slots_file file;
    enum err err = file_open(s, number, 0, &file, fail);
    if (err || !file.path)
        return err;
    err = read_all(s, &file, found, fail);
    if (err)
        file_close(&file);
    else
        s->left[s->left_len++] = file;
    return err;
}

enum err slots_find_left(struct slots *s, struct slots_found *found, struct fail *fail)
{
    enum err first = OK;
    for (int i = 0; i < SLOTS_FILES_MOST; i++) {
        enum err err = read_left(s, i, found, fail);
        first = first ? first : err;
    }
    return first;
}

void slots_drop_left(struct slots *s, bool is_durable)
{
    while (s->left_len) {
        struct slots_file *file = &s->left[--s->left_len];
        if (is_durable && file->is_numbered)
            unlink(file->path);
        else if (is_durable && ftruncate(file->fd, 0) != 0)
            log_error(NULL, "ledger_slots_failed", LOG_TEXT("path", file->path));
        file_close(file);
    }
}

enum err slots_open(struct str path, size_t count, struct names *names, struct slots **out,
                    struct slots_found *found, struct fail *fail)
{
    if (count > SLOTS_MOST)
        return fail_set(fail, ERR_STORE, "ledger.slots_count may be %d at most", SLOTS_MOST);
    struct slots *s = MEM_NEW(struct slots);
    s->path = str_dup(path);
    s->names = names;
    s->count = count;
    pthread_mutex_init(&s->lock, NULL);
    enum err err = choose_own(s, fail);
    if (!err)
        err = read_all(s, &s->own, found, fail);
    if (!err)
        err = slots_find_left(s, found, fail);
    if (err) {
        slots_close(s);
        return err;
    }
    *out = s;
    return OK;
}

enum err slots_reset(struct slots *s, struct fail *fail)
{
    slots_drop_left(s, true);
    s->map_bytes = HEADER_BYTES + s->count * SLOT_BYTES;
    if (ftruncate(s->own.fd, 0) != 0)
        return io_failed(s->own.path, "written", fail);
    /* A hole of the file that is written to while the disk is full ends the process. */
    errno = posix_fallocate(s->own.fd, 0, (off_t)s->map_bytes);
    if (errno)
        return io_failed(s->own.path, "written", fail);
    s->map = mmap(NULL, s->map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, s->own.fd, 0);
    if (s->map == MAP_FAILED) {
        s->map = NULL;
        return io_failed(s->own.path, "mapped", fail);
    }
    struct header header = { .version = SLOTS_VERSION,
                             .slot_bytes = SLOT_BYTES,
                             .count = s->count };
    memcpy(header.magic, magic, sizeof(magic));
    memcpy(s->map, &header, sizeof(header));
    s->all = (struct ledger_slot *)(s->map + HEADER_BYTES);
    s->free = mem_alloc(s->count * sizeof(*s->free));
    s->operations = mem_zalloc(s->count * sizeof(*s->operations));
    s->attempts = mem_zalloc(s->count * sizeof(*s->attempts));
    s->chains = mem_zalloc(s->count * sizeof(*s->chains));
    s->nexts = mem_zalloc(s->count * sizeof(*s->nexts));
    for (s->free_len = 0; s->free_len < s->count; s->free_len++)
        s->free[s->free_len] = (uint32_t)(s->count - 1 - s->free_len);
    return OK;
}

void slots_close(struct slots *s)
{
    if (!s)
        return;
    slots_drop_left(s, false);
    if (s->map)
        munmap(s->map, s->map_bytes);
    if (s->map && s->own.is_numbered && s->free_len == s->count)
        unlink(s->own.path);
    file_close(&s->own);
    pthread_mutex_destroy(&s->lock);
    mem_free(s->free);
    mem_free(s->operations);
    mem_free(s->attempts);
    mem_free(s->chains);
    mem_free(s->nexts);
    mem_free(s->path);
    mem_free(s);
}

/* ---- in use ---- */

static uint32_t *chain_of(struct slots *s, int64_t operation_id)
{
    return &s->chains[((uint64_t)operation_id * 0x9E3779B97F4A7C15u >> 32) % s->count];
}

static void occupy(struct slots *s, uint32_t i, const struct transfer *row)
{
    uint32_t *chain = chain_of(s, row->operation_id);
    s->operations[i] = row->operation_id;
    s->attempts[i] = row->attempt;
    s->nexts[i] = *chain;
    *chain = i + 1;
}

struct ledger_slot *slots_take(struct slots *s, const struct transfer *row)
{
    struct ledger_slot *slot = NULL;
    pthread_mutex_lock(&s->lock);
    if (s->free_len) {
        uint32_t i = s->free[--s->free_len];
        occupy(s, i, row);
        slot = &s->all[i];
    }
    pthread_mutex_unlock(&s->lock);
    if (!slot)
        return NULL;
    slot->len = (uint32_t)row_encode(row, s->names, slot->body);
    slot->sum = sum_of(slot->body, slot->len);
    if (HZ_PLANTED(SLOT_NEVER_WRITTEN))
        return slot;
    atomic_store_explicit(&slot->state, SLOT_USED, memory_order_release);
    return slot;
}

static void release(struct slots *s, uint32_t i)
{
    uint32_t *place = chain_of(s, s->operations[i]);
    while (*place != i + 1)
        place = &s->nexts[*place - 1];
    *place = s->nexts[i];
    atomic_store_explicit(&s->all[i].state, SLOT_FREE, memory_order_release);
    s->operations[i] = 0;
    s->free[s->free_len++] = i;
}

void slots_release(struct slots *s, struct ledger_slot *slot)
{
    uint32_t i = (uint32_t)(slot - s->all);
    if (HZ_PLANTED(SLOT_RELEASED_EARLY))
        return;
    pthread_mutex_lock(&s->lock);
    HZ_ASSERT(i < s->count && s->operations[i]);
    release(s, i);
    pthread_mutex_unlock(&s->lock);
}

void slots_release_attempt(struct slots *s, int64_t operation_id, int32_t attempt)
{
    pthread_mutex_lock(&s->lock);
    for (uint32_t i = *chain_of(s, operation_id), next; i; i = next) {
        next = s->nexts[i - 1];
        if (s->operations[i - 1] == operation_id && s->attempts[i - 1] == attempt)
            release(s, i - 1);
    }
    pthread_mutex_unlock(&s->lock);
}

#include "ledger/spool.h"

#include <errno.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/planted.h"

enum { PAGE_ROWS = 256 };

static enum err keep_number(void *arg, const struct value *columns, size_t count)
{
    (void)count;
    *(int64_t *)arg = columns[0].number;
    return OK;
}

static enum err open_file(struct spool *s, struct fail *fail)
{
    struct buf url = { 0 };
    buf_addf(&url, "sqlite:%s", s->path);
    struct store_options options = { .url = buf_str(&url), .option = "ledger.spool" };
    enum err err = store_open(&options, &s->store, fail);
    buf_fini(&url);
    return err;
}

/* Other processes that share it add and remove, too. */
static enum err count_rows(struct spool *s, int64_t *rows)
{
    *rows = 0;
    enum err err = store_run(s->store, SQL_SPOOL_COUNT, NULL, 0, keep_number, rows);
    if (!err)
        series_add(s->waiting, *rows - series_value(s->waiting));
    return err;
}

static void log_failure(const struct spool *s)
{
    log_error(NULL, "ledger_spool_failed", LOG_TEXT("detail", store_error(s->store)));
}

enum err spool_init(struct spool *s, struct str path, struct fail *fail)
{
    *s = (struct spool) { .waiting = metrics_series(METRIC_LEDGER_SPOOLED, NULL) };
    if (!path.len)
        return OK;
    s->path = str_dup(path);
    if (access(s->path, F_OK) != 0)
        return OK;
    int64_t rows;
    enum err err = open_file(s, fail);
    return err ? err : count_rows(s, &rows);
}

enum err spool_check_place(const struct spool *s, struct fail *fail)
{
    char why[128];
    if (!s->path)
        return OK;
    const char *slash = strrchr(s->path, '/');
    char *directory = slash ? str_dup(str_make(s->path, (size_t)(slash - s->path) + 1)) : mem_strdup(".");
    bool is_fit = store_make_directories(s->path) && access(directory, W_OK | X_OK) == 0;
    int number = errno;
    mem_free(directory);
    if (is_fit)
        return OK;
    return fail_set(fail, ERR_STORE,
                    "rows could not be kept in %s while the database is away: %s; choose another "
                    "place with ledger.spool, or set ledger.on_store_down to refuse",
                    s->path, strerror_r(number, why, sizeof(why)));
}

void spool_fini(struct spool *s)
{
    store_close(s->store);
    mem_free(s->path);
}

static enum err add_all(struct spool *s, struct names *names, const struct record *list,
                        int64_t *rows)
{
    char bytes[ROW_BYTES_MAX];
    for (const struct record *first = list; first; first = first->next) {
        for (const struct record *r = first; r; r = r->more) {
            size_t len = row_encode(&r->row, names, bytes);
            struct value params[] = { VAL_BLOB(str_make(bytes, len)) };
            enum err err = store_run(s->store, SQL_SPOOL_ADD, params, 1, NULL, NULL);
            if (err)
                return err;
            ++*rows;
        }
    }
    return OK;
}

static enum err open_once(struct spool *s)
{
    struct fail fail = { 0 };
    if (!s->path)
        return ERR_STORE;
    if (s->store || open_file(s, &fail) == OK)
        return OK;
    log_error(NULL, "ledger_spool_failed", LOG_TEXT("detail", fail.text));
    return ERR_STORE;
}

enum err spool_add(struct spool *s, struct names *names, struct record *list)
{
    int64_t rows = 0;
    enum err err = open_once(s);
    if (err)
        return err;
    err = store_begin(s->store);
    if (!err)
        err = add_all(s, names, list, &rows);
    if (!err)
        err = store_commit(s->store);
    if (err) {
        log_failure(s);
        store_rollback(s->store);
        return ERR_STORE;
    }
    series_add(s->waiting, rows);
    return OK;
}

/* ---- back into the database ---- */

struct page {
    struct names *names;
    struct record *records;
    struct record *rows[PAGE_ROWS];
    size_t len;
    int64_t last_seq;
};

static enum err keep_row(void *arg, const struct value *columns, size_t count)
{
    struct page *page = arg;
    HZ_ASSERT(count == 2 && page->len < PAGE_ROWS);
    struct record *r = &page->records[page->len];
    page->rows[page->len++] = r;
    page->last_seq = columns[0].number;
    enum err err = row_decode(columns[1].text, page->names, r);
    if (err)
        log_error(NULL, "ledger_spool_unreadable", LOG_INT("seq", page->last_seq));
    return err;
}

static enum err remove_until(struct spool *s, int64_t last_seq)
{
    struct value last[] = { VAL_INT(last_seq) };
    return store_run(s->store, SQL_SPOOL_REMOVE, last, 1, NULL, NULL);
}

static enum err move_page(struct spool *s, struct writer *w, struct page *page)
{
    struct value limit[] = { VAL_INT(PAGE_ROWS) };
    page->len = 0;
    enum err err = store_run(s->store, SQL_SPOOL_PAGE, limit, 1, keep_row, page);
    if (err || page->len == 0)
        return err;
    if (HZ_PLANTED(SPOOL_EMPTIED_EARLY))
        err = remove_until(s, page->last_seq);
    if (!err && HZ_PLANTED(SPOOL_EMPTIED_EARLY))
        err = store_commit(s->store);
    if (!err)
        err = writer_write(w, page->rows, page->len, NULL);
    if (!err && HZ_PLANTED(SPOOL_EMPTIED_EARLY))
        err = store_begin(s->store);
    /* A crash before this is committed offers the rows again; their unique key turns them away. */
    if (!err && !HZ_PLANTED(SPOOL_NOT_EMPTIED))
        err = remove_until(s, page->last_seq);
    return err;
}

/* As one transaction: during a restart the spool has two users, and a number that one of them has
 * freed may soon stand for another row. */
static enum err drain_page(struct spool *s, struct writer *w, struct page *page)
{
    enum err err = store_begin(s->store);
    if (!err)
        err = move_page(s, w, page);
    if (!err)
        err = store_commit(s->store);
    if (!err) {
        series_add(s->waiting, -HZ_MIN((int64_t)page->len, series_value(s->waiting)));
        return OK;
    }
    if (err == ERR_STORE && w->is_loaded)
        log_failure(s);
    store_rollback(s->store);
    return err;
}

static enum err drain_pages(struct spool *s, struct writer *w)
{
    enum err err;
    int64_t total = 0;
    struct page *page = MEM_NEW(struct page);
    page->names = w->names;
    page->records = mem_zalloc(PAGE_ROWS * sizeof(*page->records));
    do {
        err = drain_page(s, w, page);
        if (!err)
            total += (int64_t)page->len;
    } while (!err && page->len && !HZ_PLANTED(SPOOL_NOT_EMPTIED));
    if (total)
        log_info(NULL, "ledger_spool_drained", LOG_INT("rows", total));
    mem_free(page->records);
    mem_free(page);
    return err;
}

/* It is looked at every other second: while it is empty, that takes no lock. */
enum err spool_drain(struct spool *s, struct writer *w)
{
    int64_t rows;
    /* Another process that shares it may have made it meanwhile. */
    if (!s->path || (!s->store && access(s->path, F_OK) != 0))
        return OK;
    enum err err = open_once(s);
    if (err)
        return err;
    err = count_rows(s, &rows);
    if (err)
        log_failure(s);
    return err || rows == 0 ? err : drain_pages(s, w);
}

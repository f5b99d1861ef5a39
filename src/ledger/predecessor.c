#include "ledger/predecessor.h"

#include <stdatomic.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

enum { DYING_MS = 200 };

struct predecessor {
    struct watch watch;
    struct loop *loop;
    struct task *reader; /* waits for input */
    struct committer *committer;
    struct records *records;
    struct names *names;
    char *room;
    atomic_bool is_there;
};

struct predecessor *predecessor_create(int fd)
{
    struct predecessor *p = MEM_NEW(struct predecessor);
    p->watch.fd = fd;
    p->room = mem_alloc(HANDOVER_BYTES_MAX);
    atomic_store(&p->is_there, true);
    return p;
}

static void leave(struct predecessor *p)
{
    if (p->watch.fd < 0)
        return;
    if (p->loop)
        loop_unwatch(p->loop, &p->watch);
    close(p->watch.fd);
    p->watch.fd = -1;
    atomic_store(&p->is_there, false);
}

void predecessor_destroy(struct predecessor *p)
{
    if (!p)
        return;
    leave(p);
    mem_free(p->room);
    mem_free(p);
}

bool predecessor_is_there(const struct predecessor *p)
{
    return p && atomic_load(&p->is_there);
}

static void on_ready(struct watch *w, uint32_t ready)
{
    (void)ready;
    struct predecessor *p = HZ_CONTAINER_OF(w, struct predecessor, watch);
    if (p->reader)
        task_wake(p->reader, OK);
}

static enum err read_message(struct task *t, struct predecessor *p, struct handover_message *out,
                             struct str *rest)
{
    enum err err = handover_receive(p->watch.fd, p->room, out, rest);
    while (err == ERR_AGAIN) {
        p->reader = t;
        err = task_wait(t, INT64_MAX);
        p->reader = NULL;
        if (!err)
            err = handover_receive(p->watch.fd, p->room, out, rest);
    }
    return err;
}

static enum err decode(struct predecessor *p, int64_t count, struct str rest, struct record **out)
{
    if (count <= 0 || count > BATCH_ROWS_MAX)
        return ERR_IO;
    struct str bytes;
    *out = records_take(p->records, (size_t)count);
    for (struct record *r = *out; r; r = r->more) {
        if (handover_next_row(&rest, &bytes) && row_decode(bytes, p->names, r) == OK)
            continue;
        records_give_back(*out);
        return ERR_IO;
    }
    return OK;
}

/* The acknowledgement goes out when the rows are durable: only then may their answers leave. */
static enum err settle(struct task *t, struct predecessor *p, int64_t count, struct str rest)
{
    struct handover_message done = { .kind = HANDOVER_DONE };
    struct record *rows;
    enum err err = decode(p, count, rest, &rows);
    if (err)
        return err;
    done.result = committer_settle(t, p->committer, rows);
    return task_stop_reason(t) ? task_stop_reason(t) : handover_answer(p->watch.fd, &done);
}

static void serve(struct task *t, void *arg)
{
    struct predecessor *p = arg;
    struct handover_message m = { 0 };
    struct str rest;
    enum err err = OK;
    while (!err && m.kind != HANDOVER_END) {
        err = read_message(t, p, &m, &rest);
        if (!err && m.kind == HANDOVER_ROWS)
            err = settle(t, p, m.rows, rest);
    }
    if (err && !task_stop_reason(t)) {
        log_error(NULL, "ledger_predecessor_lost", LOG_TEXT("error", err_name(err)));
        /* A process that was killed may lose its locks a moment after its sockets. */
        if (task_sleep(t, DYING_MS) == OK)
            committer_recover(p->committer);
    }
    leave(p);
}

void predecessor_start(struct predecessor *p, struct loop *loop, struct committer *committer,
                       struct records *records, struct names *names)
{
    p->watch.events = EPOLLIN | EPOLLRDHUP;
    p->watch.on_ready = on_ready;
    p->loop = loop;
    p->committer = committer;
    p->records = records;
    p->names = names;
    /* Fails only for want of kernel memory. */
    HZ_ASSERT(loop_watch(loop, &p->watch) == OK);
    task_spawn(loop, "ledger predecessor", serve, p);
}

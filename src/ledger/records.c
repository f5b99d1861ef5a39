#include <pthread.h>

#include "base/mem.h"
#include "ledger/slots.h"

enum { SLAB_RECORDS = 32, LOOPS_AT_ONCE = 64 };

struct slab {
    struct slab *next;
    struct record records[SLAB_RECORDS];
};

struct records {
    pthread_mutex_t lock;
    struct record *free;
    struct slab *slabs;
    size_t out; /* taken and not given back */
    bool is_closed;
    struct slots *slots; /* NULL once closed */
};

struct records *records_create(struct slots *slots)
{
    struct records *rs = MEM_NEW(struct records);
    pthread_mutex_init(&rs->lock, NULL);
    rs->slots = slots;
    return rs;
}

static void destroy(struct records *rs)
{
    for (struct slab *slab = rs->slabs, *next; slab; slab = next) {
        next = slab->next;
        mem_free(slab);
    }
    pthread_mutex_destroy(&rs->lock);
    mem_free(rs);
}

void records_close(struct records *rs)
{
    if (!rs)
        return;
    pthread_mutex_lock(&rs->lock);
    rs->is_closed = true;
    rs->slots = NULL;
    bool is_last = rs->out == 0;
    pthread_mutex_unlock(&rs->lock);
    if (is_last)
        destroy(rs);
}

static struct record *pop(struct records *rs)
{
    if (!rs->free) {
        struct slab *slab = MEM_NEW(struct slab);
        slab->next = rs->slabs;
        rs->slabs = slab;
        for (size_t i = 0; i < SLAB_RECORDS; i++) {
            slab->records[i].next = rs->free;
            rs->free = &slab->records[i];
        }
    }
    struct record *r = rs->free;
    rs->free = r->next;
    rs->out++;
    return r;
}

struct record *records_take(struct records *rs, size_t count)
{
    struct record *first = NULL;
    pthread_mutex_lock(&rs->lock);
    for (size_t i = 0; i < count; i++) {
        struct record *r = pop(rs);
        r->more = first;
        first = r;
    }
    pthread_mutex_unlock(&rs->lock);
    first->next = NULL;
    first->owner = rs;
    first->loop = NULL;
    first->task = NULL;
    first->is_done = false;
    first->result = OK;
    return first;
}

void records_give_back(struct record *first)
{
    struct records *rs = first->owner;
    pthread_mutex_lock(&rs->lock);
    for (struct record *r = first, *more; r; r = more) {
        more = r->more;
        r->next = rs->free;
        rs->free = r;
        rs->out--;
    }
    bool is_last = rs->is_closed && rs->out == 0;
    pthread_mutex_unlock(&rs->lock);
    if (is_last)
        destroy(rs);
}

void records_settled(struct record *first)
{
    struct records *rs = first->owner;
    pthread_mutex_lock(&rs->lock);
    /* After the close a slot stays as it is: at the next start its row will be found. */
    for (const struct record *r = first; r && rs->slots && first->result == OK; r = r->more)
        slots_release_attempt(rs->slots, r->row.operation_id, r->row.attempt);
    pthread_mutex_unlock(&rs->lock);
    records_give_back(first);
}

void record_list_add(struct record_list *list, struct record *first, struct record *last)
{
    if (list->last)
        list->last->next = first;
    else
        list->first = first;
    list->last = last;
}

struct record_list record_list_take(struct record_list *list)
{
    struct record_list all = *list;
    *list = (struct record_list) { 0 };
    return all;
}

/* ---- answers ---- */

/* On the loop: the first record's post carries all of this loop. */
static void on_answer(struct post *post)
{
    struct record *r = HZ_CONTAINER_OF(post, struct record, post);
    for (struct record *next; r; r = next) {
        next = r->next;
        loop_external_end(r->loop);
        r->is_done = true;
        if (r->task) {
            task_wake(r->task, OK);
            continue;
        }
        records_settled(r);
    }
}

static void post_answers(const struct record_list *answers, size_t loops)
{
    for (size_t i = 0; i < loops; i++) {
        struct record *first = answers[i].first;
        first->post.fn = on_answer;
        loop_post(first->loop, &first->post);
    }
}

void records_answer(struct record *first, enum err result)
{
    struct record_list answers[LOOPS_AT_ONCE];
    size_t loops = 0;
    for (struct record *r = first, *next; r; r = next) {
        next = r->next;
        r->next = NULL;
        r->result = result;
        if (!r->loop) {
            records_settled(r);
            continue;
        }
        size_t i = 0;
        while (i < loops && answers[i].first->loop != r->loop)
            i++;
        if (i == LOOPS_AT_ONCE) {
            post_answers(answers, loops);
            loops = i = 0;
        }
        if (i == loops)
            answers[loops++] = (struct record_list) { 0 };
        record_list_add(&answers[i], r, r);
    }
    post_answers(answers, loops);
}

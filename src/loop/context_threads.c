#include "loop/context.h"

#include <errno.h>

static void sem_wait_fully(sem_t *sem)
{
    while (sem_wait(sem) != 0)
        HZ_ASSERT(errno == EINTR);
}

static void *thread_main(void *arg)
{
    struct context *c = arg;
    sem_wait_fully(&c->go);
    c->fn(c->arg);
    sem_post(&c->back);
    return NULL;
}

void context_start(struct context *c, context_fn *fn, void *arg)
{
    c->fn = fn;
    c->arg = arg;
    sem_init(&c->go, 0, 0);
    sem_init(&c->back, 0, 0);
    int failed = pthread_create(&c->thread, NULL, thread_main, c);
    HZ_ASSERT(!failed);
}

void context_resume(struct context *c)
{
    sem_post(&c->go);
    sem_wait_fully(&c->back);
}

void context_yield(struct context *c)
{
    sem_post(&c->back);
    sem_wait_fully(&c->go);
}

void context_end(struct context *c)
{
    pthread_join(c->thread, NULL);
    sem_destroy(&c->go);
    sem_destroy(&c->back);
}

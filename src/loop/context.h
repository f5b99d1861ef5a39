#ifndef HZ_LOOP_CONTEXT_H
#define HZ_LOOP_CONTEXT_H
/*
 * context - the switch between the loop and a task. Two backends: Boost.Context's assembly
 * (default), or one thread for each task of which one runs at a time (-Dtask_backend=threads), which
 * ordinary debuggers, TSan and valgrind understand.
 *
 * Thread: resume on the loop thread, yield on the task.
 */

#include "base/defs.h"

#ifdef HZ_TASK_THREADS
#include <pthread.h>
#include <semaphore.h>
#endif

/* A stack with a guard page below it. */
struct stack {
    char *low; /* first usable byte */
    size_t size;
};
void stack_map(struct stack *s);
void stack_unmap(struct stack *s);
void stack_paint(const struct stack *s);
/* Bytes used at the deepest since stack_paint. */
size_t stack_depth(const struct stack *s);
/* Gives the memory below the caller's frame back to the system. */
void stack_trim(const struct stack *s);

typedef void context_fn(void *arg);

struct context {
    struct stack stack;
    bool is_painted; /* set before context_start: paint the stack first */
    context_fn *fn;
    void *arg;
#ifdef HZ_TASK_THREADS
    pthread_t thread;
    sem_t go, back;
#else
    void *task_side; /* where to continue the task */
    void *loop_side; /* where to continue the loop */
    void *task_fake, *loop_fake; /* AddressSanitizer's fake stacks */
    const void *loop_low;
    size_t loop_size;
#endif
};

/* fn starts at the first resume; when it returns, the resume that ran it returns for the last time. */
void context_start(struct context *c, context_fn *fn, void *arg);
void context_resume(struct context *c);
void context_yield(struct context *c);
/* After fn has returned: the context may be started again. */
void context_end(struct context *c);

#endif

#ifndef HZ_LOOP_WORKER_H
#define HZ_LOOP_WORKER_H
/*
 * worker - threads for what blocks: files, databases, large or foreign documents.
 *
 * Owner:    `arg` is on the heap and belongs to the worker until it has answered. The task may give
 *           up waiting; the worker does not. After a wait that was given up, the pool calls
 *           arg_free(arg) when fn is done; after an orderly one the caller owns arg again.
 * Thread:   fn runs on a pool thread and must not touch the loop.
 * Suspends: worker_run.
 */

#include "loop/task.h"

struct workers;

struct workers *workers_create(unsigned threads);
/* Finishes what was handed in. */
void workers_destroy(struct workers *w);

typedef enum err worker_fn(void *arg);
/* The result of fn, or the reason why the wait ended (then arg is no longer the caller's). */
enum err worker_run(struct task *t, struct workers *w, worker_fn *fn, void *arg,
                    void (*arg_free)(void *arg), bool *is_given_up) HZ_MUST_USE;

#endif

#include "test.h"

#include <pthread.h>

#include "base/clock.h"
#include "loop/worker.h"

static struct loop *loop;
static struct workers *workers;
static _Atomic int freed;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void run(task_fn *fn)
{
    struct loop_options options = { .is_clock_virtual = true };
    CHECK_OK(loop_create(&options, &loop));
    workers = workers_create(2);
    freed = 0;
    task_spawn(loop, "test", fn, NULL);
    loop_run(loop);
    workers_destroy(workers);
    loop_destroy(loop);
}

static enum err doubles(void *arg)
{
    int *n = arg;
    *n *= 2;
    return *n > 100 ? ERR_BAD_NUMBER : OK;
}

static void count_free(void *arg)
{
    freed++;
    mem_free(arg);
}

static void works(struct task *t, void *arg)
{
    (void)arg;
    int *n = MEM_NEW(int);
    *n = 21;
    bool is_given_up;
    CHECK_OK(worker_run(t, workers, doubles, n, count_free, &is_given_up));
    CHECK(!is_given_up && *n == 42);
    *n = 99;
    CHECK_ERR(worker_run(t, workers, doubles, n, count_free, &is_given_up), ERR_BAD_NUMBER);
    CHECK(!is_given_up && *n == 198);
    CHECK_EQ(freed, 0);
    mem_free(n);
    loop_stop(loop);
}

TEST(a_worker_answers_its_task)
{
    run(works);
}

static enum err waits_at_the_gate(void *arg)
{
    pthread_mutex_lock(&gate);
    *(int *)arg = 1;
    pthread_mutex_unlock(&gate);
    return OK;
}

static void stop_me(void *arg, struct task *t, size_t nth)
{
    (void)arg;
    if (nth == 0)
        task_stop(t, ERR_CLIENT_GONE);
}

static void gives_up(struct task *t, void *arg)
{
    (void)arg;
    pthread_mutex_lock(&gate);
    task_set_wait_hook(loop, stop_me, NULL);
    bool is_given_up = false;
    CHECK_ERR(worker_run(t, workers, waits_at_the_gate, MEM_NEW(int), count_free, &is_given_up),
              ERR_CLIENT_GONE);
    CHECK(is_given_up);
    CHECK_EQ(freed, 0); /* the worker still has it */
    pthread_mutex_unlock(&gate);
    task_shield(t, 10000);
    while (!freed)
        CHECK_OK(task_yield(t));
    CHECK_EQ(freed, 1);
    loop_stop(loop);
}

TEST(a_wait_given_up_leaves_the_argument_to_the_worker)
{
    run(gives_up);
}

RUN_TESTS(T(a_worker_answers_its_task), T(a_wait_given_up_leaves_the_argument_to_the_worker))

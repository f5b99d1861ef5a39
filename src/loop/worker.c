#include "loop/worker.h"

#include <pthread.h>

#include "base/mem.h"

struct job {
    struct post post;
    struct job *next;
    struct loop *loop;
    struct task *task; /* NULL once the wait was given up; loop thread only */
    worker_fn *fn;
    void *arg;
    void (*arg_free)(void *arg);
    enum err result;
    bool is_done;
};

struct workers {
    pthread_mutex_t lock;
    pthread_cond_t has_work;
    struct job *first, *last;
    bool is_closing;
    unsigned threads_len;
    pthread_t threads[];
};

static void job_drop(struct job *job)
{
    if (job->arg_free)
        job->arg_free(job->arg);
    mem_free(job);
}

static void on_done(struct post *post)
{
    struct job *job = HZ_CONTAINER_OF(post, struct job, post);
    loop_external_end(job->loop);
    job->is_done = true;
    if (job->task)
        task_wake(job->task, OK);
    else
        job_drop(job);
}

static struct job *next_job(struct workers *w)
{
    pthread_mutex_lock(&w->lock);
    while (!w->first && !w->is_closing)
        pthread_cond_wait(&w->has_work, &w->lock);
    struct job *job = w->first;
    if (job) {
        w->first = job->next;
        if (!w->first)
            w->last = NULL;
    }
    pthread_mutex_unlock(&w->lock);
    return job;
}

static void *thread_main(void *arg)
{
    struct workers *w = arg;
    for (struct job *job; (job = next_job(w));) {
        job->result = job->fn(job->arg);
        loop_post(job->loop, &job->post);
    }
    return NULL;
}

struct workers *workers_create(unsigned threads)
{
    struct workers *w = mem_zalloc(sizeof(*w) + threads * sizeof(pthread_t));
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->has_work, NULL);
    for (; w->threads_len < threads; w->threads_len++) {
        int failed = pthread_create(&w->threads[w->threads_len], NULL, thread_main, w);
        HZ_ASSERT(!failed);
    }
    return w;
}

void workers_destroy(struct workers *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->is_closing = true;
    pthread_cond_broadcast(&w->has_work);
    pthread_mutex_unlock(&w->lock);
    for (unsigned i = 0; i < w->threads_len; i++)
        pthread_join(w->threads[i], NULL);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->has_work);
    mem_free(w);
}

enum err worker_run(struct task *t, struct workers *w, worker_fn *fn, void *arg,
                    void (*arg_free)(void *arg), bool *is_given_up)
{
    struct job *job = MEM_NEW(struct job);
    *job = (struct job) {
        .post.fn = on_done, .loop = task_loop(t), .task = t, .fn = fn, .arg = arg, .arg_free = arg_free,
    };
    loop_external_begin(job->loop);
    pthread_mutex_lock(&w->lock);
    if (w->last)
        w->last->next = job;
    else
        w->first = job;
    w->last = job;
    pthread_cond_signal(&w->has_work);
    pthread_mutex_unlock(&w->lock);

    enum err err = task_wait(t, INT64_MAX);
    *is_given_up = err != OK;
    if (err) {
        /* The answer may have come between the end of the wait and this line. */
        if (job->is_done)
            job_drop(job);
        else
            job->task = NULL;
        return err;
    }
    err = job->result;
    mem_free(job);
    return err;
}

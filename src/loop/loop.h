#ifndef HZ_LOOP_LOOP_H
#define HZ_LOOP_LOOP_H
/*
 * loop - one event loop: epoll, timers, tasks, and a mailbox for other threads.
 *
 * Callbacks (watch, timer, post) run on the loop thread and must not wait; what waits is a task
 * (task.h).
 *
 * Thread: the loop thread, except loop_create, loop_stop, loop_post.
 */

#include "base/err.h"

struct loop;

/* A descriptor of interest, embedded in its owner. Edge-triggered: after an event read or write
 * until EAGAIN, or the next edge never comes. on_ready may remove and free the watch. */
struct watch {
    int fd;
    uint32_t events; /* EPOLLIN | EPOLLOUT | EPOLLRDHUP ... */
    void (*on_ready)(struct watch *w, uint32_t ready);
    bool is_added;
};

enum err loop_watch(struct loop *l, struct watch *w) HZ_MUST_USE;
/* Before the descriptor is closed. Events already collected this turn are dropped. */
void loop_unwatch(struct loop *l, struct watch *w);

/* Embedded in its owner; zeroed = not set. */
struct timer {
    int64_t at_ns;
    size_t slot; /* position in the heap + 1; 0 = not set */
    void (*on_time)(struct timer *timer);
};

void timer_set(struct loop *l, struct timer *timer, int64_t at_ns);
void timer_cancel(struct loop *l, struct timer *timer);

/* Work handed to the loop by another thread. `post` belongs to the loop until fn runs. */
struct post {
    struct post *next;
    void (*fn)(struct post *post);
};
void loop_post(struct loop *l, struct post *post);

struct loop_options {
    unsigned index;         /* 0.. : which of the process's loops this is */
    bool is_clock_virtual;  /* tests: time jumps to the next timer when nothing else is left */
};

enum err loop_create(const struct loop_options *options, struct loop **out) HZ_MUST_USE;
/* No task may be live. */
void loop_destroy(struct loop *l);

/* Until loop_stop was called and no task is live. */
void loop_run(struct loop *l);
/* Any thread. Asks every task to stop with ERR_STOPPING and lets loop_run end. */
void loop_stop(struct loop *l);
bool loop_is_stopping(const struct loop *l);

unsigned loop_index(const struct loop *l);
/* Monotonic, read once a turn. */
int64_t loop_now_ns(const struct loop *l);
/* Reads the clock anew: for measuring within a turn. */
int64_t loop_clock_ns(struct loop *l);

/* How long what this turn serves had been ready before, as far as that is known: 0 after short turns
 * (half a millisecond). Changes at the end of a turn, before what loop_each_turn runs. */
int64_t loop_lag_ns(const struct loop *l);

/* Tests with a virtual clock: time passes at once. */
void loop_skip(struct loop *l, int64_t ns);

/* Work outside the loop (a worker, the committer) that will end in a loop_post: while it is under
 * way a virtual clock does not jump. */
void loop_external_begin(struct loop *l);
void loop_external_end(struct loop *l);

/* Runs at the end of each turn, in order of registration (flush logs, close what was left). */
void loop_each_turn(struct loop *l, void (*fn)(void *arg), void *arg);
/* Takes that back; not from within fn. */
void loop_each_turn_end(struct loop *l, void (*fn)(void *arg), void *arg);

/* 64 KiB that belong to whoever runs, until its next wait. */
enum { LOOP_SCRATCH_BYTES = 65536 };
char *loop_scratch(struct loop *l);

#endif

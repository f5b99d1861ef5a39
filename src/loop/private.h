#ifndef HZ_LOOP_PRIVATE_H
#define HZ_LOOP_PRIVATE_H
/* private - what the files of loop/ share and nobody else sees. */

#include <stdatomic.h>
#include <sys/epoll.h>

#include "loop/context.h"
#include "loop/loop.h"
#include "loop/task.h"

enum task_state { TASK_READY, TASK_RUNNING, TASK_WAITING, TASK_ENDED };

struct task {
    struct context context;
    struct loop *loop;
    const char *name;
    const char *stage;
    task_fn *fn;
    void *arg;
    int64_t started_ns;
    enum task_state state;
    enum err wake_result; /* of the wait that has ended */
    enum err stop_reason;
    int64_t deadline_ns;
    int64_t wait_until_ns; /* of the current wait, all deadlines considered */
    int64_t shield_until_ns;
    bool is_shielded;
    bool is_deaf; /* the current wait ends for nothing but task_wake */
    bool is_joinable;
    struct task *joiner;
    struct task_group *group;
    struct task *group_next, *group_prev;
    struct timer timer;
    struct task *ready_next;
    struct task *next, *prev; /* all live tasks, or the free list */
};

enum { EVENTS_MAX = 1024, TURN_HOOKS_MAX = 8 };

/* How long what is ready waits (lag.c). */
struct lag {
    struct watch mark;
    bool is_out;      /* put behind what was ready, not reported yet */
    int64_t since_ns; /* beginning of the turn at whose end it was put */
    int64_t wait_ns;
};

struct loop {
    struct loop_options options;
    int epoll_fd;
    int wake_fd;
    struct watch wake_watch;
    int64_t now_ns;
    int64_t turn_ns; /* when epoll reported what this turn serves */
    struct lag lag;
    bool is_stopping;
    _Atomic bool is_stop_asked;
    _Atomic bool is_asleep;
    _Atomic(struct post *) mailbox;
    _Atomic int externals;

    struct epoll_event events[EVENTS_MAX];
    int events_len, events_at; /* of the turn under way */

    struct timer **timers; /* a heap, earliest first */
    size_t timers_len, timers_cap;

    struct task *ready_first, *ready_last;
    struct task *running;
    struct task *live;
    size_t live_count;
    struct task *free_tasks;
    size_t free_count;

    struct {
        void (*fn)(void *arg);
        void *arg;
    } turn_hooks[TURN_HOOKS_MAX];
    size_t turn_hooks_len;
    char *scratch;

    void (*wait_hook)(void *arg, struct task *t, size_t nth);
    void *wait_hook_arg;
    size_t waits;
    bool paints_stacks;
    size_t stack_peak;
};

/* timer.c */
int64_t timers_next_ns(const struct loop *l); /* INT64_MAX: none */
void timers_run(struct loop *l);

/* lag.c */
enum err lag_open(struct loop *l) HZ_MUST_USE;
void lag_close(struct loop *l);
void lag_end_turn(struct loop *l);

/* task.c */
void tasks_run_ready(struct loop *l);
void tasks_stop_all(struct loop *l, enum err why);
void tasks_free_pool(struct loop *l);

#endif

#ifndef HZ_LOOP_TASK_H
#define HZ_LOOP_TASK_H
/*
 * task - straight-line C that waits, on its own stack.
 *
 * A function that may wait takes `struct task *t` first; without one it cannot wait. Between two
 * waits a task runs alone on its loop. Every wait has a deadline and returns `enum err`; after a
 * stop (client gone, overall deadline, shutdown) this and all later waits return the reason at
 * once, until the body leaves through its ordinary exit. What must finish even then runs after
 * task_shield.
 *
 * Owner:   the loop; a task frees itself after its body returns (and, if joinable, was joined).
 * Thread:  all functions on the task's loop thread.
 * Suspends: task_wait, task_sleep, task_join, group_join and whatever is built on them.
 * Limits:  TASK_STACK_BYTES of stack; buffers over 1 KiB come from an arena.
 */

#include "base/err.h"
#include "loop/loop.h"

enum { TASK_STACK_BYTES = 64 * 1024 };

struct task;
typedef void task_fn(struct task *t, void *arg);

/* Starts at the loop's next opportunity, never before task_spawn returns. `name` is static. */
struct task *task_spawn(struct loop *l, const char *name, task_fn *fn, void *arg);
/* As task_spawn, but the task stays after its end until task_join. */
struct task *task_spawn_joinable(struct loop *l, const char *name, task_fn *fn, void *arg);

struct loop *task_loop(const struct task *t);

/* Asks: the current or next unshielded wait returns `why` (the first reason stays). */
void task_stop(struct task *t, enum err why);
/* The reason it was asked to stop, or OK. Shielding does not hide it. */
enum err task_stop_reason(const struct task *t);

/* Overall deadline: passing it stops the task with ERR_DEADLINE. INT64_MAX = none. */
void task_set_deadline(struct task *t, int64_t at_ns);
int64_t task_deadline(const struct task *t);

/* From here on stops are ignored; waits last until `ms` from now at most and then give
 * ERR_TIMEOUT. task_unshield ends it (for tasks that go on to a next request). */
void task_shield(struct task *t, int64_t ms);
void task_unshield(struct task *t);

/* Waits until task_wake, the deadline (ERR_TIMEOUT), or a stop. Whoever set up the wake-up takes
 * it back when this returns anything but what task_wake gave. INT64_MAX = no own deadline. */
enum err task_wait(struct task *t, int64_t deadline_ns) HZ_MUST_USE;
/* Ends the current wait of `t` with `result`; runs it on the loop's next opportunity. A task that
 * was woken, stopped or timed out already keeps its first result; returns whether this one took. */
bool task_wake(struct task *t, enum err result);

enum err task_sleep(struct task *t, int64_t ms) HZ_MUST_USE;
/* Lets the others run; returns the stop reason if there is one. */
enum err task_yield(struct task *t) HZ_MUST_USE;
/* Waits for the end of a joinable child, also when stopped (the child is then stopped, too, with
 * the same reason) and frees it. */
void task_join(struct task *t, struct task *child);

/* Gives memory of the stack back that only a deeper call than the present one has used, such as a
 * TLS handshake: before waits that may last. */
void task_trim_stack(struct task *t);
/* What the task is doing, for the crash report and the admin page; `stage` is static text. */
void task_set_stage(struct task *t, const char *stage);
const char *task_stage(const struct task *t); /* "start" until set */
const char *task_name(const struct task *t);

/* Several at once. The group is joined before its scope ends. */
struct task_group {
    struct task *owner;
    size_t running;
    bool is_owner_waiting;
    struct task *members;
};
void group_init(struct task_group *g, struct task *owner);
struct task *group_spawn(struct task_group *g, const char *name, task_fn *fn, void *arg);
/* Asks all that still run to stop. */
void group_stop(struct task_group *g, enum err why);
/* Waits for all, also when the owner is stopped (the members are then stopped, too). */
void group_join(struct task *t, struct task_group *g);

/* Live tasks of a loop, for shutdown, tests and reports. */
size_t task_count(const struct loop *l);
void task_each(const struct loop *l, void (*fn)(void *arg, struct task *t), void *arg);
int64_t task_age_ms(const struct task *t);

/* Tests. The hook runs before the loop's nth wait (from 0) is entered; it may stop tasks. */
void task_set_wait_hook(struct loop *l, void (*hook)(void *arg, struct task *t, size_t nth),
                        void *arg);
/* Paints each stack; task_stack_peak gives the deepest use in bytes seen at the end of a task. */
void task_set_stack_painting(struct loop *l, bool is_on);
size_t task_stack_peak(const struct loop *l);

#endif

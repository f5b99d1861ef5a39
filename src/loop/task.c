#include "loop/task.h"

#include "base/clock.h"
#include "base/mem.h"
#include "loop/private.h"

/* Ended tasks kept with their stacks for the next spawn. */
enum { POOL_MAX = 256 };

static void make_ready(struct task *t, enum err result)
{
    t->state = TASK_READY;
    t->wake_result = result;
    t->ready_next = NULL;
    struct loop *l = t->loop;
    if (l->ready_last)
        l->ready_last->ready_next = t;
    else
        l->ready_first = t;
    l->ready_last = t;
}

static void on_wait_time(struct timer *timer)
{
    struct task *t = HZ_CONTAINER_OF(timer, struct task, timer);
    if (t->state != TASK_WAITING || t->wait_until_ns == INT64_MAX)
        return;
    if (t->loop->now_ns < t->wait_until_ns) {
        /* The timer was left from an earlier, shorter wait. */
        timer_set(t->loop, timer, t->wait_until_ns);
        return;
    }
    if (!t->is_shielded && t->loop->now_ns >= t->deadline_ns) {
        task_stop(t, ERR_DEADLINE);
        return;
    }
    make_ready(t, ERR_TIMEOUT);
}

static struct task *task_take(struct loop *l)
{
    struct task *t = l->free_tasks;
    if (t) {
        l->free_tasks = t->next;
        l->free_count--;
    } else {
        t = MEM_NEW(struct task);
    }
    struct context kept = t->context;
    *t = (struct task) { .context = kept, .loop = l };
    return t;
}

static void task_release(struct task *t)
{
    struct loop *l = t->loop;
    if (l->free_count >= POOL_MAX) {
        stack_unmap(&t->context.stack);
        mem_free(t);
        return;
    }
    t->next = l->free_tasks;
    l->free_tasks = t;
    l->free_count++;
}

void tasks_free_pool(struct loop *l)
{
    while (l->free_tasks) {
        struct task *t = l->free_tasks;
        l->free_tasks = t->next;
        stack_unmap(&t->context.stack);
        mem_free(t);
    }
}

static void live_add(struct loop *l, struct task *t)
{
    t->next = l->live;
    if (l->live)
        l->live->prev = t;
    l->live = t;
    l->live_count++;
}

static void live_remove(struct loop *l, struct task *t)
{
    if (t->prev)
        t->prev->next = t->next;
    else
        l->live = t->next;
    if (t->next)
        t->next->prev = t->prev;
    t->next = t->prev = NULL;
    l->live_count--;
}

static void body(void *arg)
{
    struct task *t = arg;
    t->fn(t, t->arg);
    t->state = TASK_ENDED;
}

struct task *task_spawn(struct loop *l, const char *name, task_fn *fn, void *arg)
{
    struct task *t = task_take(l);
    t->name = name;
    t->stage = "start";
    t->fn = fn;
    t->arg = arg;
    t->started_ns = l->now_ns;
    t->deadline_ns = INT64_MAX;
    t->timer.on_time = on_wait_time;
    t->stop_reason = l->is_stopping ? ERR_STOPPING : OK;
    t->context.is_painted = l->paints_stacks;
    context_start(&t->context, body, t);
    live_add(l, t);
    make_ready(t, OK);
    return t;
}

struct task *task_spawn_joinable(struct loop *l, const char *name, task_fn *fn, void *arg)
{
    struct task *t = task_spawn(l, name, fn, arg);
    t->is_joinable = true;
    return t;
}

struct loop *task_loop(const struct task *t)
{
    return t->loop;
}

void task_stop(struct task *t, enum err why)
{
    HZ_ASSERT(why != OK);
    if (t->state == TASK_ENDED || t->stop_reason)
        return;
    t->stop_reason = why;
    if (t->state == TASK_WAITING && !t->is_shielded && !t->is_deaf)
        make_ready(t, why);
}

enum err task_stop_reason(const struct task *t)
{
    return t->stop_reason;
}

void task_set_deadline(struct task *t, int64_t at_ns)
{
    t->deadline_ns = at_ns;
}

int64_t task_deadline(const struct task *t)
{
    return t->deadline_ns;
}

void task_shield(struct task *t, int64_t ms)
{
    t->is_shielded = true;
    t->shield_until_ns = t->loop->now_ns + ms * NS_PER_MS;
}

void task_unshield(struct task *t)
{
    t->is_shielded = false;
}

void task_trim_stack(struct task *t)
{
    HZ_ASSERT(t->state == TASK_RUNNING);
    if (t->context.stack.low && !t->context.is_painted)
        stack_trim(&t->context.stack);
}

void task_set_stage(struct task *t, const char *stage)
{
    t->stage = stage;
}

const char *task_stage(const struct task *t)
{
    return t->stage;
}

const char *task_name(const struct task *t)
{
    return t->name;
}

static enum err wait_until(struct task *t, int64_t until_ns)
{
    HZ_ASSERT(t->state == TASK_RUNNING);
    t->wait_until_ns = until_ns;
    bool is_timer_early_enough = t->timer.slot && t->timer.at_ns <= until_ns;
    if (until_ns != INT64_MAX && !is_timer_early_enough)
        timer_set(t->loop, &t->timer, until_ns);
    t->state = TASK_WAITING;
    context_yield(&t->context);
    return t->wake_result;
}

enum err task_wait(struct task *t, int64_t deadline_ns)
{
    struct loop *l = t->loop;
    if (l->wait_hook)
        l->wait_hook(l->wait_hook_arg, t, l->waits++);
    if (t->is_shielded)
        return l->now_ns >= t->shield_until_ns ? ERR_TIMEOUT
                                               : wait_until(t, HZ_MIN(deadline_ns, t->shield_until_ns));
    if (!t->stop_reason && l->now_ns >= t->deadline_ns)
        t->stop_reason = ERR_DEADLINE;
    if (t->stop_reason)
        return t->stop_reason;
    return wait_until(t, HZ_MIN(deadline_ns, t->deadline_ns));
}

bool task_wake(struct task *t, enum err result)
{
    if (t->state != TASK_WAITING)
        return false;
    make_ready(t, result);
    return true;
}

enum err task_sleep(struct task *t, int64_t ms)
{
    enum err err = task_wait(t, t->loop->now_ns + ms * NS_PER_MS);
    /* A shield that ran out must not look like a full sleep. */
    bool is_cut_short = t->is_shielded && t->loop->now_ns >= t->shield_until_ns;
    return err == ERR_TIMEOUT && !is_cut_short ? OK : err;
}

enum err task_yield(struct task *t)
{
    if (t->stop_reason && !t->is_shielded)
        return t->stop_reason;
    make_ready(t, OK);
    context_yield(&t->context);
    return t->wake_result;
}

/* The current wait was cut short but must still be sat out: nothing but task_wake ends it. */
static void wait_deaf(struct task *t)
{
    t->is_deaf = true;
    wait_until(t, INT64_MAX);
    t->is_deaf = false;
}

static enum err reason_to_pass_on(const struct task *t)
{
    return t->stop_reason ? t->stop_reason : ERR_STOPPED;
}

void task_join(struct task *t, struct task *child)
{
    HZ_ASSERT(child->is_joinable && !child->joiner);
    child->joiner = t;
    if (child->state != TASK_ENDED && task_wait(t, INT64_MAX) != OK && child->state != TASK_ENDED) {
        task_stop(child, reason_to_pass_on(t));
        wait_deaf(t);
    }
    HZ_ASSERT(child->state == TASK_ENDED);
    task_release(child);
}

void group_init(struct task_group *g, struct task *owner)
{
    *g = (struct task_group) { .owner = owner };
}

struct task *group_spawn(struct task_group *g, const char *name, task_fn *fn, void *arg)
{
    struct task *t = task_spawn(g->owner->loop, name, fn, arg);
    t->group = g;
    t->group_next = g->members;
    if (g->members)
        g->members->group_prev = t;
    g->members = t;
    g->running++;
    return t;
}

void group_stop(struct task_group *g, enum err why)
{
    for (struct task *t = g->members; t; t = t->group_next)
        task_stop(t, why);
}

void group_join(struct task *t, struct task_group *g)
{
    HZ_ASSERT(t == g->owner);
    g->is_owner_waiting = true;
    if (g->running > 0 && task_wait(t, INT64_MAX) != OK && g->running > 0) {
        group_stop(g, reason_to_pass_on(t));
        wait_deaf(t);
    }
    g->is_owner_waiting = false;
    HZ_ASSERT(g->running == 0);
}

static void group_leave(struct task *t)
{
    struct task_group *g = t->group;
    if (t->group_prev)
        t->group_prev->group_next = t->group_next;
    else
        g->members = t->group_next;
    if (t->group_next)
        t->group_next->group_prev = t->group_prev;
    if (--g->running == 0 && g->is_owner_waiting)
        task_wake(g->owner, OK);
}

static void finish(struct task *t)
{
    struct loop *l = t->loop;
    if (l->paints_stacks && t->context.stack.low)
        l->stack_peak = HZ_MAX(l->stack_peak, stack_depth(&t->context.stack));
    context_end(&t->context);
    timer_cancel(l, &t->timer);
    live_remove(l, t);
    if (t->group)
        group_leave(t);
    if (t->joiner)
        task_wake(t->joiner, OK);
    else if (!t->is_joinable)
        task_release(t);
}

void tasks_run_ready(struct loop *l)
{
    /* Only those that are ready now: one that yields comes again after the next look at epoll. */
    struct task *last = l->ready_last;
    bool is_last = !last;
    while (!is_last) {
        struct task *t = l->ready_first;
        l->ready_first = t->ready_next;
        if (!l->ready_first)
            l->ready_last = NULL;
        is_last = t == last;
        t->state = TASK_RUNNING;
        l->running = t;
        context_resume(&t->context);
        l->running = NULL;
        if (t->state == TASK_ENDED)
            finish(t);
    }
}

void tasks_stop_all(struct loop *l, enum err why)
{
    for (struct task *t = l->live; t; t = t->next)
        task_stop(t, why);
}

size_t task_count(const struct loop *l)
{
    return l->live_count;
}

void task_each(const struct loop *l, void (*fn)(void *arg, struct task *t), void *arg)
{
    for (struct task *t = l->live; t; t = t->next)
        fn(arg, t);
}

int64_t task_age_ms(const struct task *t)
{
    return (t->loop->now_ns - t->started_ns) / NS_PER_MS;
}

void task_set_wait_hook(struct loop *l, void (*hook)(void *arg, struct task *t, size_t nth), void *arg)
{
    l->wait_hook = hook;
    l->wait_hook_arg = arg;
    l->waits = 0;
}

void task_set_stack_painting(struct loop *l, bool is_on)
{
    l->paints_stacks = is_on;
}

size_t task_stack_peak(const struct loop *l)
{
    return l->stack_peak;
}

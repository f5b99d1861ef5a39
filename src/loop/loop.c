#include "loop/loop.h"

#include <errno.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/private.h"

/* How long a virtual clock lets the kernel finish deliveries before it jumps. */
enum { VIRTUAL_GRACE_MS = 2 };

static _Thread_local struct loop *current;

/* A failed assertion names the task that ran. */
static void report_running(void)
{
    struct task *t = current ? current->running : NULL;
    if (t)
        fprintf(stderr, "huntaze: in task '%s', stage '%s'\n", t->name, t->stage);
}

static void on_wake(struct watch *w, uint32_t ready)
{
    /* Edge-triggered and only ever written: nothing to read. */
    (void)w, (void)ready;
}

enum err loop_create(const struct loop_options *options, struct loop **out)
{
    struct loop *l = MEM_NEW(struct loop);
    l->options = *options;
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    l->wake_watch = (struct watch) { .fd = l->wake_fd, .events = EPOLLIN, .on_ready = on_wake };
    l->lag.mark.fd = -1;
    l->now_ns = clock_mono_ns();
    if (l->epoll_fd < 0 || l->wake_fd < 0 || loop_watch(l, &l->wake_watch) != OK ||
        lag_open(l) != OK) {
        loop_destroy(l);
        return ERR_IO;
    }
    hz_assert_set_hook(report_running);
    *out = l;
    return OK;
}

static void run_posts(struct loop *l)
{
    struct post *newest_first = atomic_exchange(&l->mailbox, NULL);
    struct post *in_order = NULL;
    while (newest_first) {
        struct post *next = newest_first->next;
        newest_first->next = in_order;
        in_order = newest_first;
        newest_first = next;
    }
    while (in_order) {
        struct post *next = in_order->next;
        in_order->fn(in_order);
        in_order = next;
    }
}

void loop_destroy(struct loop *l)
{
    if (!l)
        return;
    HZ_ASSERT(l->live_count == 0);
    run_posts(l); /* late answers to waits that were given up free themselves */
    tasks_free_pool(l);
    lag_close(l);
    if (l->wake_fd >= 0)
        close(l->wake_fd);
    if (l->epoll_fd >= 0)
        close(l->epoll_fd);
    mem_free(l->timers);
    mem_free(l->scratch);
    mem_free(l);
}

enum err loop_watch(struct loop *l, struct watch *w)
{
    struct epoll_event event = { .events = w->events | EPOLLET, .data.ptr = w };
    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, w->fd, &event) != 0)
        return ERR_IO;
    w->is_added = true;
    return OK;
}

void loop_unwatch(struct loop *l, struct watch *w)
{
    if (!w->is_added)
        return;
    w->is_added = false;
    epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
    for (int i = l->events_at; i < l->events_len; i++) {
        if (l->events[i].data.ptr == w)
            l->events[i].data.ptr = NULL;
    }
}

static void wake(struct loop *l)
{
    uint64_t one = 1;
    ssize_t n = write(l->wake_fd, &one, sizeof(one));
    HZ_ASSERT(n == sizeof(one));
}

void loop_post(struct loop *l, struct post *post)
{
    post->next = atomic_load(&l->mailbox);
    while (!atomic_compare_exchange_weak(&l->mailbox, &post->next, post)) {
    }
    if (atomic_exchange(&l->is_asleep, false))
        wake(l);
}

void loop_stop(struct loop *l)
{
    atomic_store(&l->is_stop_asked, true);
    wake(l);
}

bool loop_is_stopping(const struct loop *l)
{
    return l->is_stopping;
}

unsigned loop_index(const struct loop *l)
{
    return l->options.index;
}

int64_t loop_now_ns(const struct loop *l)
{
    return l->now_ns;
}

int64_t loop_clock_ns(struct loop *l)
{
    if (!l->options.is_clock_virtual)
        l->now_ns = clock_mono_ns();
    return l->now_ns;
}

void loop_skip(struct loop *l, int64_t ns)
{
    HZ_ASSERT(l->options.is_clock_virtual);
    l->now_ns += ns;
}

void loop_external_begin(struct loop *l)
{
    atomic_fetch_add(&l->externals, 1);
}

void loop_external_end(struct loop *l)
{
    atomic_fetch_sub(&l->externals, 1);
}

void loop_each_turn(struct loop *l, void (*fn)(void *arg), void *arg)
{
    HZ_ASSERT(l->turn_hooks_len < TURN_HOOKS_MAX);
    l->turn_hooks[l->turn_hooks_len].fn = fn;
    l->turn_hooks[l->turn_hooks_len++].arg = arg;
}

void loop_each_turn_end(struct loop *l, void (*fn)(void *arg), void *arg)
{
    size_t kept = 0;
    for (size_t i = 0; i < l->turn_hooks_len; i++) {
        if (l->turn_hooks[i].fn != fn || l->turn_hooks[i].arg != arg)
            l->turn_hooks[kept++] = l->turn_hooks[i];
    }
    l->turn_hooks_len = kept;
}

char *loop_scratch(struct loop *l)
{
    if (!l->scratch)
        l->scratch = mem_alloc(LOOP_SCRATCH_BYTES);
    return l->scratch;
}

static int timeout_ms(const struct loop *l)
{
    int64_t next_ns = timers_next_ns(l);
    if (next_ns == INT64_MAX)
        return -1;
    int64_t wait_ns = next_ns - l->now_ns;
    return wait_ns <= 0 ? 0 : (int)HZ_MIN((wait_ns + NS_PER_MS - 1) / NS_PER_MS, 60000);
}

static int collect(struct loop *l, int timeout)
{
    int n = epoll_wait(l->epoll_fd, l->events, EVENTS_MAX, timeout);
    HZ_ASSERT(n >= 0 || errno == EINTR);
    return HZ_MAX(n, 0);
}

/* Real events come first; time jumps only when there are none and no thread owes an answer. */
static int collect_virtual(struct loop *l, bool has_work)
{
    int n = collect(l, has_work ? 0 : VIRTUAL_GRACE_MS);
    if (n || has_work || atomic_load(&l->mailbox))
        return n;
    int64_t next_ns = timers_next_ns(l);
    if (atomic_load(&l->externals) > 0 || next_ns == INT64_MAX)
        return collect(l, -1);
    l->now_ns = HZ_MAX(l->now_ns, next_ns);
    return 0;
}

static void wait_for_events(struct loop *l)
{
    atomic_store(&l->is_asleep, true);
    bool has_work = l->ready_first || atomic_load(&l->mailbox) ||
                    (atomic_load(&l->is_stop_asked) && !l->is_stopping);
    if (l->options.is_clock_virtual) {
        l->events_len = collect_virtual(l, has_work);
    } else {
        l->events_len = collect(l, has_work ? 0 : timeout_ms(l));
        l->now_ns = clock_mono_ns();
    }
    l->turn_ns = l->now_ns;
    atomic_store(&l->is_asleep, false);
}

static void dispatch(struct loop *l)
{
    for (l->events_at = 0; l->events_at < l->events_len;) {
        struct epoll_event *event = &l->events[l->events_at++];
        struct watch *w = event->data.ptr;
        if (w)
            w->on_ready(w, event->events);
    }
    l->events_len = 0;
}

void loop_run(struct loop *l)
{
    current = l;
    log_set_buffered(true);
    while (!l->is_stopping || l->live_count > 0) {
        wait_for_events(l);
        dispatch(l);
        /* First: what was posted before the stop was asked for still runs here. */
        bool is_stop_asked = atomic_load(&l->is_stop_asked);
        run_posts(l);
        timers_run(l);
        if (is_stop_asked && !l->is_stopping) {
            l->is_stopping = true;
            tasks_stop_all(l, ERR_STOPPING);
        }
        tasks_run_ready(l);
        lag_end_turn(l);
        for (size_t i = 0; i < l->turn_hooks_len; i++)
            l->turn_hooks[i].fn(l->turn_hooks[i].arg);
        log_flush();
    }
    log_set_buffered(false);
    current = NULL;
}

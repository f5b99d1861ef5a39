#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "loop/private.h"

/*
 * What became ready waits twice: until epoll reports it and until its turn comes. Time that is read
 * after epoll's report does not see the first wait, which under overload is the long one. The kernel
 * reports in the order of readiness, so a mark that is put behind what is ready waits as long as
 * whatever becomes ready at the same moment. Marks are put only at the end of long turns: what comes
 * after a short one has not waited.
 */

enum { LONG_TURN_NS = 500000 };

static void on_mark(struct watch *w, uint32_t ready)
{
    (void)ready;
    struct loop *l = HZ_CONTAINER_OF(w, struct loop, lag.mark);
    l->lag.is_out = false;
    l->lag.wait_ns = l->turn_ns - l->lag.since_ns;
}

enum err lag_open(struct loop *l)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    l->lag.mark = (struct watch) { .fd = fd, .events = EPOLLIN, .on_ready = on_mark };
    return fd < 0 ? ERR_IO : loop_watch(l, &l->lag.mark);
}

void lag_close(struct loop *l)
{
    if (l->lag.mark.fd >= 0)
        close(l->lag.mark.fd);
}

void lag_end_turn(struct loop *l)
{
    struct lag *lag = &l->lag;
    int64_t now_ns = loop_clock_ns(l);
    if (!lag->is_out && now_ns - l->turn_ns < LONG_TURN_NS) {
        lag->wait_ns = 0;
        return;
    }
    if (!lag->is_out) {
        uint64_t one = 1;
        ssize_t n = write(lag->mark.fd, &one, sizeof(one));
        HZ_ASSERT(n == sizeof(one));
        lag->is_out = true;
        lag->since_ns = l->turn_ns;
    }
    lag->wait_ns = HZ_MAX(lag->wait_ns, now_ns - lag->since_ns);
}

int64_t loop_lag_ns(const struct loop *l)
{
    return l->lag.wait_ns;
}

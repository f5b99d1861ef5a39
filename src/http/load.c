#include "http/load.h"

#include "base/clock.h"

void load_init(struct load *l, int64_t target_ns)
{
    *l = (struct load) { .target_ns = target_ns, .doubted_ns = INT64_MAX };
}

static void judge(struct load *l, int64_t now_ns, bool is_long)
{
    if (is_long == l->is_over) {
        l->doubted_ns = INT64_MAX;
    } else if (l->doubted_ns == INT64_MAX) {
        l->doubted_ns = now_ns;
    } else if (now_ns - l->doubted_ns >= LOAD_INTERVAL_MS * NS_PER_MS) {
        l->is_over = is_long;
        l->doubted_ns = INT64_MAX;
    }
}

void load_observe(struct load *l, int64_t now_ns, int64_t wait_ns)
{
    l->wait_ns = wait_ns;
    if (l->target_ns)
        judge(l, now_ns, wait_ns > l->target_ns);
}

bool load_refuses(struct load *l, int64_t wait_ns)
{
    if (!l->is_over || wait_ns <= l->target_ns)
        return false;
    int64_t beyond_ns = HZ_MIN(wait_ns - l->target_ns, l->target_ns);
    l->owed += (unsigned)HZ_MIN(beyond_ns * LOAD_SHARE_ALL / l->target_ns, LOAD_SHARE_MOST);
    if (l->owed < LOAD_SHARE_ALL)
        return false;
    l->owed -= LOAD_SHARE_ALL;
    return true;
}

void pace_note(struct pace *p, int64_t now_ns, unsigned begun)
{
    if (begun && p->since_ns) {
        int64_t each_ns = (now_ns - p->since_ns) / begun;
        p->each_ns += p->each_ns ? (each_ns - p->each_ns) / PACE_TURNS : each_ns;
    }
    p->since_ns = begun ? now_ns : 0;
}

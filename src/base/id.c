#include "base/id.h"

#include "base/clock.h"

#include <stdatomic.h>
#include <stdio.h>

enum { NODE_SHIFT = 14, TIME_SHIFT = 22 };
static const int64_t EPOCH_MS = 1577836800000; /* 2020-01-01 */

static _Atomic int64_t last_id;
static _Atomic unsigned this_node;

void id_set_node(unsigned node)
{
    HZ_ASSERT(node < ID_NODES);
    atomic_store(&this_node, node);
}

/* The bits below TIME_SHIFT of the smallest id of this node in a millisecond. */
static int64_t node_bits(void)
{
    return (int64_t)atomic_load_explicit(&this_node, memory_order_relaxed) << NODE_SHIFT;
}

static int64_t id_after(int64_t last)
{
    int64_t sequence_mask = (1 << NODE_SHIFT) - 1;
    int64_t now = ((clock_wall_ms() - EPOCH_MS) << TIME_SHIFT) | node_bits();
    if (now > last)
        return now;
    int64_t time_part = last >> TIME_SHIFT;
    int64_t sequence = last & sequence_mask;
    bool is_ours = (last & ((1LL << TIME_SHIFT) - 1) & ~sequence_mask) == node_bits();
    if (is_ours && sequence < sequence_mask)
        return last + 1;
    return ((time_part + 1) << TIME_SHIFT) | node_bits();
}

void id_set_floor(int64_t floor)
{
    int64_t last = atomic_load(&last_id);
    while (last < floor && !atomic_compare_exchange_weak(&last_id, &last, floor)) {
    }
}

int64_t id_next(void)
{
    int64_t last = atomic_load_explicit(&last_id, memory_order_relaxed);
    int64_t next;
    do {
        next = id_after(last);
    } while (!atomic_compare_exchange_weak(&last_id, &last, next));
    return next;
}

int64_t id_wall_ms(int64_t id)
{
    return (id >> TIME_SHIFT) + EPOCH_MS;
}

void id_format(int64_t id, char out[ID_HEX_LEN + 1])
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < ID_HEX_LEN; i++)
        out[i] = digits[(uint64_t)id >> (60 - 4 * i) & 15];
    out[ID_HEX_LEN] = '\0';
}

#ifndef HZ_SIM_INVOICE_H
#define HZ_SIM_INVOICE_H
/*
 * invoice - every call that was billed, with its tokens: what a ledger is compared with.
 *
 * Owner: the sim. Memory grows up to the limit, then the oldest entry makes room.
 */

#include "base/map.h"
#include "sim/sim_call.h"

enum { INVOICE_ID_MAX = 40 };

struct invoice_entry {
    int64_t seq;
    int64_t time_ms;
    uint32_t prompt, cached, completion, reasoning;
    int32_t aborted_after; /* tokens; -1: the answer went out whole */
    uint32_t name;         /* position in names */
    uint16_t status;
    uint8_t dialect, operation;
    bool is_stream, has_left;
    char client_request_id[INVOICE_ID_MAX];
    char operation_id[INVOICE_ID_MAX];
};

struct invoice {
    struct invoice_entry *entries; /* number k stands at k % cap */
    size_t cap, limit;
    uint64_t first, next; /* numbers of the oldest and of the one to come */
    struct map positions; /* name -> position + 1 */
    struct str *names;
    size_t names_len;
};

void invoice_init(struct invoice *v, size_t limit);
void invoice_fini(struct invoice *v);
void invoice_add(struct invoice *v, const struct sim_call *c);
void invoice_clear(struct invoice *v);
/* Entry number `number` as JSON; false when it is gone or not yet there. */
bool invoice_write(const struct invoice *v, uint64_t number, struct buf *out);

#endif

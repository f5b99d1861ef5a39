#ifndef HZ_LEDGER_SLOTS_H
#define HZ_LEDGER_SLOTS_H
/* slots - attempts in flight, in a memory-mapped file that survives a kill. Any thread. */

#include "ledger/row.h"

struct slots;
struct slots_found {
    struct record *rows; /* a list; each freed with mem_free */
    size_t damaged;
};
/* Locks the file and reads what an earlier process left. */
enum err slots_open(struct str path, size_t count, struct names *names, struct slots **out,
                    struct slots_found *found, struct fail *fail) HZ_MUST_USE;
/* What was found is durable elsewhere: makes all slots anew. */
enum err slots_reset(struct slots *s, struct fail *fail) HZ_MUST_USE;
void slots_close(struct slots *s);
struct ledger_slot *slots_take(struct slots *s, const struct transfer *row);
void slots_release(struct slots *s, struct ledger_slot *slot);
/* Whichever slot this attempt holds, if any. */
void slots_release_attempt(struct slots *s, int64_t operation_id, int32_t attempt);

#endif

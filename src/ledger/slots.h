#ifndef HZ_LEDGER_SLOTS_H
#define HZ_LEDGER_SLOTS_H
/*
 * slots - attempts in flight, in a memory-mapped file that survives a kill.
 *
 * Each process has a file of its own: PATH, or while another one has that, PATH.1, PATH.2, ...
 * A file that nobody holds was left by a process that is gone.
 *
 * Thread: any for slots_take and the releases; the others one at a time.
 */

#include "ledger/row.h"

struct slots;
struct slots_found {
    struct record *rows; /* a list; each freed with mem_free */
    size_t damaged;
};
enum { SLOTS_FILES_MOST = 64 };
/* Locks a file for us and all that earlier processes left, and reads these. */
enum err slots_open(struct str path, size_t count, struct names *names, struct slots **out,
                    struct slots_found *found, struct fail *fail) HZ_MUST_USE;
/* What was found is durable elsewhere: makes all our slots anew, removes what others left. */
enum err slots_reset(struct slots *s, struct fail *fail) HZ_MUST_USE;
/* The same while ours is in use, for a process that has died meanwhile: reads what it left, then
 * (is_durable) removes that or leaves it for a later time. A file that cannot be read is an error, but
 * stays, and does not hide the others. */
enum err slots_find_left(struct slots *s, struct slots_found *found, struct fail *fail) HZ_MUST_USE;
void slots_drop_left(struct slots *s, bool is_durable);
/* Removes a numbered file in which nothing is left. */
void slots_close(struct slots *s);
struct ledger_slot *slots_take(struct slots *s, const struct transfer *row);
void slots_release(struct slots *s, struct ledger_slot *slot);
/* Whichever slot this attempt holds, if any. */
void slots_release_attempt(struct slots *s, int64_t operation_id, int32_t attempt);

#endif

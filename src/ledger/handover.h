#ifndef HZ_LEDGER_HANDOVER_H
#define HZ_LEDGER_HANDOVER_H
/*
 * handover - the messages by which one process gives its ledger to the next.
 *
 * Over a SOCK_SEQPACKET pair, so that each message arrives whole or not at all. The successor asks;
 * the predecessor lets go of the database and says so, or says that it keeps its own (another
 * store). From then on what the predecessor settles goes over as rows, each message acknowledged
 * when its rows are durable. A predecessor that ends in order says so; a mere end means that it
 * died.
 *
 * Thread:   one at a time and side.
 * Suspends: nothing; the functions of the predecessor and handover_ask block.
 * Errors:   ERR_CLOSED when the other side is gone or does not answer in time.
 */

#include "ledger/claim.h"
#include "ledger/row.h"

enum handover_kind {
    HANDOVER_ASK = 1, /* from the successor: ask */
    HANDOVER_GIVEN,   /* given */
    HANDOVER_KEPT,
    HANDOVER_ROWS,
    HANDOVER_DONE,    /* from the successor: result */
    HANDOVER_END      /* all is durable; nothing comes any more */
};
enum { HANDOVER_BYTES_MAX = 65536 };

struct handover_message {
    int64_t kind;
    union {
        struct {
            struct claim_name store;
            int64_t node; /* of the ids that the successor will draw */
        } ask;
        struct {
            int64_t last_id; /* no id of the successor may be at or below */
            int64_t node;    /* of the ids that the predecessor draws from now on */
        } given;
        int64_t rows;    /* so many follow, each after its length */
        int64_t result;  /* OK or ERR_STORE */
    };
};

/* ---- the predecessor ---- */

/* From here on this process draws ids under a number that is neither `ours` nor `theirs`: the next
 * after *node, which becomes it. Returns the message that gives `ours` away. */
struct handover_message handover_retire_ids(unsigned *node, unsigned ours, unsigned theirs);
enum err handover_answer(int fd, const struct handover_message *m) HZ_MUST_USE;
/* OK: durable. ERR_STORE: the successor is there, its database is not. */
enum err handover_write(int fd, struct names *names, struct record *const *rows,
                        size_t count) HZ_MUST_USE;
bool handover_is_alive(int fd);
/* Closes; `is_done`: after a goodbye. Accepts -1. */
void handover_close(int fd, bool is_done);

/* ---- the successor ---- */

/* ERR_STORE: it keeps its own store, so `given` is not set. */
enum err handover_ask(int fd, const struct claim_name *store, unsigned node,
                      struct handover_message *given) HZ_MUST_USE;

/* ---- either, without blocking ---- */

/* ERR_AGAIN: nothing is there. `room` holds HANDOVER_BYTES_MAX; `rest` is what follows the message. */
enum err handover_receive(int fd, char *room, struct handover_message *out,
                          struct str *rest) HZ_MUST_USE;
/* The next of a message's rows; false at its end or if it is malformed. */
bool handover_next_row(struct str *rest, struct str *row);

#endif

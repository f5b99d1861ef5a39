#ifndef HZ_SIM_STATE_H
#define HZ_SIM_STATE_H
/* state - what a simulator remembers: its script, its journal, its invoice. */

#include "sim/invoice.h"
#include "sim/journal.h"
#include "sim/script.h"

struct sim {
    char *key; /* NULL: none is asked for */
    struct script *script;
    struct journal journal;
    struct invoice invoice;
};

/* Serves /sim/... (control.c). */
enum err control_serve(struct task *t, struct sim *s, struct http_request *r) HZ_MUST_USE;

#endif

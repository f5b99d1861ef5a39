#ifndef HZ_GATEWAY_REST_H
#define HZ_GATEWAY_REST_H
/*
 * rest - how long everybody leaves a deployment alone that has answered 429.
 *
 * As long as it states, at most REST_STATED_MAX_MS; where it states nothing (or no
 * time at all), a second, doubled with each rest in a row up to REST_UNSTATED_MAX_MS. Rests are
 * counted, not answers: a 429 to what was asked before a rest was over belongs to that rest. It can
 * make it longer, and nothing makes it shorter.
 *
 * Thread: any; a lock that is never held across a wait.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

enum { REST_FIRST_MS = 1000, REST_UNSTATED_MAX_MS = 60000, REST_STATED_MAX_MS = 3600000 };

struct rest {
    pthread_mutex_t lock;
    _Atomic int64_t until_ns;
    _Atomic int64_t began_ns; /* of the last one */
    _Atomic int32_t in_row;   /* rests since the last success */
};

void rest_init(struct rest *r);
void rest_fini(struct rest *r);

/* Milliseconds until it may be asked again; 0: now. */
int64_t rest_left_ms(const struct rest *r, int64_t now_ns);
/* A 429 now, to what was asked at `asked_ns`; `stated_ms` as llm_limits has it, negative: not
 * stated. */
void rest_note(struct rest *r, int64_t asked_ns, int64_t now_ns, int64_t stated_ms);
/* An answer to what was asked at `asked_ns`. */
void rest_answered(struct rest *r, int64_t asked_ns);

#endif

#ifndef HZ_MODEL_OUTCOME_H
#define HZ_MODEL_OUTCOME_H
/* outcome - how an attempt at a provider can end, and the rule for what follows (outcomes.def). */

#include "base/str.h"

enum outcome {
#define X(id, name, again, next, health, text) id,
#include "model/outcomes.def"
#undef X
    OUTCOMES
};

enum again { AGAIN_NEVER, AGAIN_REPEAT }; /* repeat: after 1, 2, 4 s, if the plan has no other */
/* larger: a model with more or undeclared context; prefill: one that goes on with what was said */
enum next { NEXT_NO, NEXT_AT_ONCE, NEXT_LARGER, NEXT_PREFILL };

/* What an outcome says of the deployment, for its circuit breaker. */
enum health {
    HEALTH_SUCCESS,
    HEALTH_FAILURE,
    HEALTH_ALIVE,   /* it answered, which ends a probe well, but does not count otherwise */
    HEALTH_NEUTRAL, /* says nothing; frees the probe's place */
    HEALTH_TRIP     /* opens at once */
};

struct outcome_rule {
    enum again again;
    enum next next;
    enum health health;
};

struct outcome_info {
    const char *name;
    struct outcome_rule rule;
    const char *text;
};
const struct outcome_info *outcome_info(enum outcome outcome);
const char *outcome_name(enum outcome outcome);

/* The words of the configuration, in the order of the enums; and the rows that may be overridden. */
#define AGAIN_CHOICES "never, repeat"
#define NEXT_CHOICES "no, at_once, larger" /* a broken stream is not overridden */
#define OUTCOMES_OVERRIDABLE                                                                       \
    "connect, reset, server_error, unreadable, error_event, silent, limited, credentials, "        \
    "context_length, refused"
bool outcome_parse(struct str name, enum outcome *out);

#endif

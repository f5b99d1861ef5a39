#include "model/outcome.h"

static const struct outcome_info infos[OUTCOMES] = {
#define X(id, name, again, next, health, text) [id] = { name, { again, next, health }, text },
#include "model/outcomes.def"
#undef X
};

const struct outcome_info *outcome_info(enum outcome outcome)
{
    HZ_ASSERT(outcome < OUTCOMES);
    return &infos[outcome];
}

const char *outcome_name(enum outcome outcome)
{
    return outcome_info(outcome)->name;
}

bool outcome_parse(struct str name, enum outcome *out)
{
    for (int i = 0; i < OUTCOMES; i++) {
        if (str_is(name, infos[i].name)) {
            *out = (enum outcome)i;
            return true;
        }
    }
    return false;
}

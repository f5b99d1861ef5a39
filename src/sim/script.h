#ifndef HZ_SIM_SCRIPT_H
#define HZ_SIM_SCRIPT_H
/*
 * script - rules that give behaviour to calls by model, path and count.
 *
 * [{"match": {"model": "gpt-4o*", "path": "/openai/v1/STAR", "nth": [1, 2]}, "do": "status=503"}]
 * (STAR is '*'.) Every rule counts the calls that its model and path fit; it applies where that
 * count lies in nth. The first rule that applies wins. `do` is words as in a model's name, or an
 * object
 * {"status": 503, "reset": true}.
 *
 * Owner: the sim; behaviour that was handed out does not borrow from the script.
 */

#include "base/arena.h"
#include "sim/words.h"

struct script;

/* Empty text: no rules. ERR_CONFIG with the rule's number and the reason in `fail`. */
enum err script_create(struct str json, struct script **out, struct fail *fail) HZ_MUST_USE;
void script_destroy(struct script *s);
/* Counts the call; sets *b if a rule applies. Text goes into the arena. */
void script_apply(struct script *s, struct arena *a, struct str model, struct str path,
                  struct behaviour *b);
/* Forgets the counts. */
void script_rewind(struct script *s);

#endif

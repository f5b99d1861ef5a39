#ifndef HZ_CONFIG_CAPABILITIES_H
#define HZ_CONFIG_CAPABILITIES_H
/* capabilities - what a model takes if the configuration does not say: by family of its name. */

#include "model/deployment.h"

/* The family is looked up by the deployment's name, then by the model's; a name of no family gets
 * what most servers take. */
void capabilities_guess(enum dialect dialect, struct str deployment, struct str model,
                        struct capabilities *out);

#endif

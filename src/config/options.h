#ifndef HZ_CONFIG_OPTIONS_H
#define HZ_CONFIG_OPTIONS_H
/* options - the one table of options: files, environment, --set, printing and docs read it. */

#include "config/config.h"
#include "config/fields.h"

extern const struct field_table option_table; /* base: struct config */

/* Lists of the file that have tables of their own (config/lists.h). */
enum list_name {
    LIST_PROVIDERS,
    LIST_MODELS,
    LIST_ROUTES,
    LIST_FALLBACKS,
    LIST_FAILURES,
    LIST_NAMES
};
extern const struct str list_names[LIST_NAMES];

/* One of them as YAML; for config_print and config_compare. */
void config_print_list(const struct config *c, enum list_name list, struct buf *out);
/* What follows from options alone, such as the kind of store from its address. */
void config_derive(struct config *c);

#endif

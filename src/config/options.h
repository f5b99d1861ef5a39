#ifndef HZ_CONFIG_OPTIONS_H
#define HZ_CONFIG_OPTIONS_H
/* options - the one table of options: files, environment, --set, printing and docs read it. */

#include "config/fields.h"

extern const struct field_table option_table; /* base: struct config */

/* Lists of the file that have tables of their own (config/lists.h). */
enum { LIST_NAMES = 5 };
extern const struct str list_names[LIST_NAMES];

#endif

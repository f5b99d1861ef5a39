#ifndef HZ_CONFIG_CHECK_H
#define HZ_CONFIG_CHECK_H
/* check - what can only be judged when every value is read: values against each other, files. */

#include "config/document.h"
#include "config/lists.h"

/* `root`: the merged document, for the places of messages. */
void check_options(struct building *b, const struct node *root);
void check_lists(struct building *b);

#endif

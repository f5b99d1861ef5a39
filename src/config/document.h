#ifndef HZ_CONFIG_DOCUMENT_H
#define HZ_CONFIG_DOCUMENT_H
/*
 * document - YAML text as a tree of nodes that know their file and line.
 *
 * Plain YAML only: one document of maps, lists and scalars. Anchors, aliases and tags are refused,
 * as are duplicate keys; size, depth and number of nodes are bounded.
 *
 * Owner: everything lives in the arena given.
 */

#include "config/problems.h"

enum { DOCUMENT_BYTES_MAX = 1 << 20, DOCUMENT_DEPTH_MAX = 16, DOCUMENT_ENTRIES_MAX = 2000 };

enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAP };

struct node {
    enum node_kind kind;
    bool is_null;    /* plain and empty, ~ or null: as if it were not there */
    struct str key;  /* inside a map */
    struct str text; /* of a scalar */
    struct origin origin;
    size_t len; /* children */
    struct node *first, *last, *next;
};

/* `file` must live as long as the tree. NULL after an error, which is in `problems`; an empty
 * document is an empty map. */
struct node *document_parse(struct arena *a, struct str text, const char *file,
                            struct problems *problems);

/* Child of a map, or NULL; also NULL when `map` is NULL or no map. */
struct node *document_get(const struct node *map, struct str key);
/* The same for a dotted name. */
const struct node *document_find(const struct node *map, struct str name);
/* Where the value of a dotted name stands; the map's own place when it is absent. */
struct origin document_place(const struct node *map, const char *name);
/* Takes the child out of the map; NULL when there is none. */
struct node *document_take(struct node *map, struct str key);
/* Lays `over` upon `under`: maps merge, lists and scalars replace. */
void document_merge(struct node *under, struct node *over);
/* Sets the scalar of a dotted name, making maps on the way. False when a list or a scalar stands
 * on the way. */
bool document_set(struct arena *a, struct node *root, struct str name, struct str text,
                  struct origin origin);

#endif

#ifndef HZ_LLM_SPLICE_H
#define HZ_LLM_SPLICE_H
/*
 * splice - rewrite a JSON document while walking it: what is not touched is copied byte for byte.
 *
 * Edits come in document order, go straight into the output and are unbounded in number; json_edits
 * is for a handful of edits in any order. The document was validated by json_check.
 *
 * Owner: the caller owns document and output, which must not overlap.
 */

#include "llm/key.h"

struct splice {
    struct str doc;
    struct buf *out;
    size_t done; /* bytes of doc that were copied or left out */
    size_t edits;
};

void splice_init(struct splice *s, struct str doc, struct buf *out);
/* Copies up to the slice and leaves it out; the caller writes what replaces it into s->out. */
void splice_open(struct splice *s, struct str slice);
void splice_replace(struct splice *s, struct str slice, struct str text);
/* Copies the rest. */
void splice_end(struct splice *s);

/* Walks an object of the document; members can be dropped while walking and added at its end. */
struct splice_object {
    struct splice *splice;
    struct str object;
    struct json_iter it;
    struct str raw_key; /* of the current member */
    struct key key;
    struct str value;
    const char *kept_end; /* end of the last member that stays, or NULL */
    bool is_dropped;
    bool has_added;
};

void splice_walk(struct splice_object *o, struct splice *s, struct str object);
bool splice_next(struct splice_object *o);
/* Leaves the current member out, with its comma. Before any edit inside of it. */
void splice_drop(struct splice_object *o);
/* Only after splice_next returned false. */
void splice_add(struct splice_object *o, const char *name, struct str value);
/* Writes `"name":` and lets the caller write the value into the output. */
struct buf *splice_add_open(struct splice_object *o, const char *name);

/* Members that are written already, without braces. */
void splice_add_members(struct splice_object *o, struct str members);

#endif

#ifndef HZ_WIRE_JSON_H
#define HZ_WIRE_JSON_H
/*
 * json - a zero-copy scanner for documents that are mostly passed on (RFC 8259).
 *
 * json_check validates a whole document once, iteratively; after that the other functions walk
 * slices of it without checking again. For building and rewriting documents: buf.h and
 * json_edit below. Not for heavy trees: jansson, on a worker thread. jansson.h uses some of the
 * same names, so no file includes both.
 *
 * Owner: all text borrows from the document.
 */

#include "base/arena.h"
#include "base/buf.h"

enum json_kind {
    JSON_NULL,
    JSON_BOOL,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
    JSON_NONE
};

enum { JSON_DEPTH_MAX = 64, JSON_TOP_KEYS_MAX = 1024, JSON_TOP_KEY_BYTES = 256 };

/* Valid JSON text of depth <= JSON_DEPTH_MAX, valid UTF-8, whose top level, if an object, has no
 * duplicate keys (escapes resolved before comparing), at most JSON_TOP_KEYS_MAX of them, each of at
 * most JSON_TOP_KEY_BYTES as written. Escapes of lone surrogates are allowed, as in RFC 8259; they
 * decode to U+FFFD. ERR_BAD_JSON with the reason and byte position in `fail`. */
enum err json_check(struct str text, struct fail *fail) HZ_MUST_USE;

/* Kind by first character; JSON_NONE for empty text. Values are slices, trimmed. */
enum json_kind json_kind(struct str value);
struct str json_trim(struct str value);

/* Walks members or elements. Start with `*at = value`; a false return ends it.
 *   struct json_iter it; json_iter_init(&it, object);
 *   while (json_next_member(&it, &key, &val)) ... */
struct json_iter {
    struct str rest;
    bool is_first;
};
void json_iter_init(struct json_iter *it, struct str value);
/* key: with its quotes, escapes not resolved; compare with json_key_is. */
bool json_next_member(struct json_iter *it, struct str *key, struct str *value);
bool json_next_element(struct json_iter *it, struct str *value);

bool json_key_is(struct str raw_key, const char *name);
/* Value of the first member of that name, or at = NULL. Not an object: at = NULL. */
struct str json_get(struct str object, const char *name);
/* A path of members: json_path(doc, "usage.prompt_tokens_details.cached_tokens"). */
struct str json_path(struct str object, const char *dotted);

bool json_is_null(struct str value); /* also when absent */
bool json_is_true(struct str value);
/* Whole number that fits; also 12.0 and 1e3. False for others. */
bool json_to_i64(struct str value, int64_t *out);
/* Contents of a string without escapes borrow from the document, otherwise a copy in the arena.
 * Not a string: at = NULL. */
struct str json_to_str(struct arena *a, struct str value);
/* Appends the decoded contents of a string; false when it is none. */
bool json_str_append(struct str value, struct buf *out);
/* Halves of surrogate pairs without their other half. At its ends that may stand in the string
 * before or after, when a text came in pieces; elsewhere it stands nowhere. */
enum { JSON_ESCAPE_LEN = 6 }; /* "\uXXXX" */
struct json_halves {
    bool has_first;  /* the string begins with a second half, "\uDC00" to "\uDFFF" */
    bool has_last;   /* it ends with a first half, "\uD800" to "\uDBFF" */
    bool has_within;
};
struct json_halves json_find_halves(struct str value);
/* Decodes what stands between the quotes of a string into `out`, which has room for as many bytes;
 * returns how many were written. */
size_t json_decode(struct str contents, char *out);
size_t json_len(struct str array_or_object);

/* Changes to a document, applied in one pass; unknown fields survive byte for byte. Up to
 * JSON_EDITS_MAX edits that do not overlap, in any order; commas come out right whichever members
 * of an object are removed and added. Inserted text must live until applied. A zeroed struct is
 * empty. It is too large for a stack frame: ARENA_NEW(a, struct json_edits). */
enum { JSON_EDITS_MAX = 64 };
enum json_edit_kind { JSON_EDIT_REPLACE, JSON_EDIT_REMOVE, JSON_EDIT_ADD };
struct json_edits {
    struct json_edit {
        size_t from, to; /* offsets in the document */
        struct str text;
        enum json_edit_kind kind;
    } list[JSON_EDITS_MAX];
    size_t len;
    bool is_full; /* an edit did not fit: the caller must refuse the document */
};
void json_replace(struct json_edits *e, struct str doc, struct str slice, struct str text);
/* Removes a member with its comma. `object` is the slice of the object it stands in. */
void json_remove_member(struct json_edits *e, struct str doc, struct str object,
                        struct str raw_key);
/* Adds member_text, which is `"name":value`, as the last member of the object (a slice of doc). */
void json_add_member(struct json_edits *e, struct str doc, struct str object,
                     struct str member_text);
void json_apply(struct json_edits *e, struct str doc, struct buf *out);

#endif

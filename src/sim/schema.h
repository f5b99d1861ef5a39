#ifndef HZ_SIM_SCHEMA_H
#define HZ_SIM_SCHEMA_H
/*
 * schema - a small JSON document that satisfies a JSON Schema.
 *
 * Understands type, properties, required, items, minItems, maxItems, enum, const, anyOf, oneOf,
 * allOf (the first of each), $ref into the same document, minimum, maximum, exclusiveMinimum,
 * multipleOf, minLength, maxLength and common formats. Only what is required is written.
 * Iterative; below SCHEMA_DEPTH_MAX levels it writes null.
 */

#include "base/arena.h"
#include "base/buf.h"

enum { SCHEMA_DEPTH_MAX = 24 };

/* `schema` was validated by json_check. */
void schema_fill(struct arena *a, struct str schema, struct buf *out);

#endif

#ifndef HZ_BASE_ID_H
#define HZ_BASE_ID_H
/*
 * id - 63-bit numbers that grow with time: milliseconds since 2020 (41 bits), node (8 bits),
 * sequence (14 bits). Unique within a node, ordered within a process, any thread.
 *
 * When more than 16,384 are drawn in one millisecond the time part runs ahead of the clock.
 */

#include "base/defs.h"

enum { ID_NODES = 256, ID_HEX_LEN = 16 };

/* Node 0 until set: at start, and when a process gives up its number to another one. */
void id_set_node(unsigned node);
/* No later id will be at or below `floor`: called at start with the highest id in the store. */
void id_set_floor(int64_t floor);
int64_t id_next(void);
/* Milliseconds since 1970 at which the id was drawn. */
int64_t id_wall_ms(int64_t id);
/* 16 lower-case hex digits and a final NUL. */
void id_format(int64_t id, char out[ID_HEX_LEN + 1]);

#endif

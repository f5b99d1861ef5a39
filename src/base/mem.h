#ifndef HZ_BASE_MEM_H
#define HZ_BASE_MEM_H
/*
 * mem - heap memory that does not fail.
 *
 * Ordinary allocation aborts when memory is gone; sizes that come from outside are compared with
 * a limit first (see arena.h, buf.h), which is the real defence.
 */

#include "base/defs.h"

void *mem_alloc(size_t size);
void *mem_zalloc(size_t size);
void *mem_realloc(void *at, size_t size);
char *mem_strdup(const char *text);
void mem_free(void *at);
/* Gives free pages between blocks in use back to the system. May take milliseconds. */
void mem_trim(void);

/* Overwrites memory in a way the compiler may not remove. */
void mem_wipe(void *at, size_t size);

/* Equal? Takes the same time wherever the first difference stands. */
bool mem_equal_const_time(const void *a, const void *b, size_t size);

#define MEM_NEW(type) ((type *)mem_zalloc(sizeof(type)))

#endif

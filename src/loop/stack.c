#include "loop/context.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "loop/task.h"

#ifdef HZ_ASAN
#include <sanitizer/asan_interface.h>
/* Red zones make each frame several times larger. */
enum { STACK_BYTES = TASK_STACK_BYTES * 4 };
#else
enum { STACK_BYTES = TASK_STACK_BYTES };
#endif
enum { PAGE_BYTES = 4096, GUARD_BYTES = PAGE_BYTES, PAINT = 0xA5 };
enum { IN_USE_BELOW_BYTES = 512 }; /* the frames of the call that trims, and a red zone */

void stack_map(struct stack *s)
{
    char *at = mmap(NULL, GUARD_BYTES + STACK_BYTES, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED || mprotect(at, GUARD_BYTES, PROT_NONE) != 0) {
        perror("huntaze: cannot map a task's stack (see vm.max_map_count)");
        abort();
    }
    *s = (struct stack) { at + GUARD_BYTES, STACK_BYTES };
}

void stack_unmap(struct stack *s)
{
#ifdef HZ_ASAN
    /* The red zones of the last frames would stand where the next mapping comes to lie. */
    if (s->low)
        __asan_unpoison_memory_region(s->low, s->size);
#endif
    if (s->low)
        munmap(s->low - GUARD_BYTES, s->size + GUARD_BYTES);
    *s = (struct stack) { 0 };
}

void stack_trim(const struct stack *s)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0), low = (uintptr_t)s->low;
    uintptr_t end = (here - IN_USE_BELOW_BYTES) & ~(uintptr_t)(PAGE_BYTES - 1);
    if (end > low && end < low + s->size)
        madvise(s->low, end - low, MADV_DONTNEED);
}

void stack_paint(const struct stack *s)
{
    memset(s->low, PAINT, s->size);
}

size_t stack_depth(const struct stack *s)
{
    size_t untouched = 0;
    while (untouched < s->size && (unsigned char)s->low[untouched] == PAINT)
        untouched++;
    return s->size - untouched;
}

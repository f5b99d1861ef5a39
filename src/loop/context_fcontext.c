#include "loop/context.h"

#ifdef HZ_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

/* The C symbols of Boost.Context's assembly (boost/context/detail/fcontext.hpp). */
struct fcontext_transfer {
    void *from;
    void *data;
};
struct fcontext_transfer jump_fcontext(void *to, void *data);
void *make_fcontext(void *stack_top, size_t size, void (*fn)(struct fcontext_transfer));

static void before_switch(void **save, const void *low, size_t size)
{
#ifdef HZ_ASAN
    __sanitizer_start_switch_fiber(save, low, size);
#else
    (void)save, (void)low, (void)size;
#endif
}

static void after_switch(void *restore, const void **from_low, size_t *from_size)
{
#ifdef HZ_ASAN
    __sanitizer_finish_switch_fiber(restore, from_low, from_size);
#else
    (void)restore, (void)from_low, (void)from_size;
#endif
}

static void entry(struct fcontext_transfer transfer)
{
    struct context *c = transfer.data;
    after_switch(NULL, &c->loop_low, &c->loop_size);
    c->loop_side = transfer.from;
    c->fn(c->arg);
    before_switch(NULL, c->loop_low, c->loop_size);
    jump_fcontext(c->loop_side, NULL);
    __builtin_unreachable();
}

void context_start(struct context *c, context_fn *fn, void *arg)
{
    if (!c->stack.low)
        stack_map(&c->stack);
#ifdef HZ_ASAN
    __asan_unpoison_memory_region(c->stack.low, c->stack.size);
#endif
    if (c->is_painted)
        stack_paint(&c->stack);
    c->fn = fn;
    c->arg = arg;
    c->task_side = make_fcontext(c->stack.low + c->stack.size, c->stack.size, entry);
}

void context_resume(struct context *c)
{
    before_switch(&c->loop_fake, c->stack.low, c->stack.size);
    c->task_side = jump_fcontext(c->task_side, c).from;
    after_switch(c->loop_fake, NULL, NULL);
}

void context_yield(struct context *c)
{
    before_switch(&c->task_fake, c->loop_low, c->loop_size);
    c->loop_side = jump_fcontext(c->loop_side, NULL).from;
    after_switch(c->task_fake, &c->loop_low, &c->loop_size);
}

void context_end(struct context *c)
{
    c->task_side = NULL;
}

#ifndef HZ_BASE_DEFS_H
#define HZ_BASE_DEFS_H
/* defs - attributes and assertions that every folder uses. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__SANITIZE_ADDRESS__)
#define HZ_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HZ_ASAN 1
#endif
#endif

#define HZ_MUST_USE __attribute__((warn_unused_result))
#define HZ_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define HZ_NORETURN __attribute__((noreturn))
#define HZ_LEN(array) (sizeof(array) / sizeof((array)[0]))
#define HZ_CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))
#define HZ_MIN(a, b) ((a) < (b) ? (a) : (b))
#define HZ_MAX(a, b) ((a) > (b) ? (a) : (b))

/* An impossible state: kept in release, prints, and aborts. Never for input from outside. */
#define HZ_ASSERT(cond)                                                                            \
    ((cond) ? (void)0 : hz_assert_failed(#cond, __FILE__, __LINE__, __func__))

HZ_NORETURN void hz_assert_failed(const char *cond, const char *file, int line, const char *func);

/* Called by a failed assertion before it aborts, so that `loop/` can name the running task. */
void hz_assert_set_hook(void (*hook)(void));

#endif

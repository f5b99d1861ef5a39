#ifndef HZ_BASE_CLOCK_H
#define HZ_BASE_CLOCK_H
/* clock - the system's clocks. Inside a task use loop_now_ns, which tests can turn by hand. */

#include "base/defs.h"

#define NS_PER_MS 1000000LL
#define NS_PER_S 1000000000LL

int64_t clock_mono_ns(void);
/* Milliseconds since 1970, UTC. */
int64_t clock_wall_ms(void);

enum { CLOCK_ISO_LEN = 24 };
/* "2026-11-21T08:15:30.123Z" and a final NUL: CLOCK_ISO_LEN + 1 bytes. */
void clock_format_iso(int64_t wall_ms, char out[CLOCK_ISO_LEN + 1]);

#endif

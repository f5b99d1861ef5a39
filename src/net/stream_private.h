#ifndef HZ_NET_STREAM_PRIVATE_H
#define HZ_NET_STREAM_PRIVATE_H
/* stream_private - what stream.c and stream_tls.c share: one try each, and the wait between tries.
 */

#include "net/stream.h"

/* Until the next edge that makes the stream readable (writable). */
enum err stream_wait_read(struct task *t, struct stream *s, int64_t deadline_ns) HZ_MUST_USE;
enum err stream_wait_write(struct task *t, struct stream *s, int64_t deadline_ns) HZ_MUST_USE;

/* As stream_try_read. */
enum err tls_try_read(struct stream *s, char *out, size_t size, size_t *got) HZ_MUST_USE;
/* One record at most. ERR_AGAIN: the same bytes again when the stream is writable. */
enum err tls_try_write(struct stream *s, const struct iovec *parts, int count,
                       size_t *sent) HZ_MUST_USE;
/* Sends close_notify if that is possible at once. */
void tls_goodbye(struct stream *s);

#endif

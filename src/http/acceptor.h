#ifndef HZ_HTTP_ACCEPTOR_H
#define HZ_HTTP_ACCEPTOR_H
/*
 * acceptor - one listening socket for the servers of several loops.
 *
 * Owner:  the listening socket, also one that was adopted.
 * Thread: the first target's loop thread, or before loops run and after they have ended.
 */

#include "http/server.h"

struct acceptor;
struct acceptor_target {
    struct loop *loop;
    struct http_server *server;
};
/* Listens at host:port (port 0: any) and accepts on the first target's loop; each connection goes
 * to the target that has fewest. ERR_IO with the reason (port in use, ...) in `fail`. */
enum err acceptor_open(const char *host, int port, const struct acceptor_target *targets,
                       size_t count, struct acceptor **out, struct fail *fail) HZ_MUST_USE;
/* The same at a descriptor that listens already, if that is its address (port 0: any); else it is
 * closed, and *is_adopted says so. Takes the descriptor. */
enum err acceptor_adopt(int fd, const char *host, int port, const struct acceptor_target *targets,
                        size_t count, struct acceptor **out, bool *is_adopted,
                        struct fail *fail) HZ_MUST_USE;
/* Starts accepting: on the first target's loop thread, or before it runs. */
void acceptor_start(struct acceptor *a);
/* On that same thread; the listening socket stays open, and acceptor_start goes on. */
void acceptor_stop(struct acceptor *a);
/* Stopped before: closes the listening socket. */
void acceptor_shut(struct acceptor *a);
/* The listening socket, lent; -1 once it was shut. */
int acceptor_socket(const struct acceptor *a);
/* The port in use, also when 0 was asked for. */
int acceptor_port(const struct acceptor *a);
/* When no loop runs any more, before its servers and loops are destroyed. */
void acceptor_destroy(struct acceptor *a);

#endif

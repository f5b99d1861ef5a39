#ifndef HZ_TESTS_UNIT_NET_SUPPORT_H
#define HZ_TESTS_UNIT_NET_SUPPORT_H
/* support - a loop for a test, real loopback sockets, certificates made on the spot. */

#include "test.h"

#include "base/clock.h"
#include "net/stream.h"

extern struct loop *test_loop;

/* Runs fn as a task on a loop with a virtual clock until all tasks have ended; then no descriptor
 * may be open that was not open before. fn calls test_done at its end. */
void test_run(task_fn *fn, void *arg);
void test_done(void);
int64_t test_in_ms(int64_t ms);

size_t open_descriptors(void);
/* A listening descriptor on 127.0.0.1, blocking. */
int listen_anywhere(int *port);
struct address loopback(int port);
/* Two connected, non-blocking TCP sockets. */
void tcp_pair(int out[2]);
/* Writes all to a non-blocking socket whose buffer has room. */
void put(int fd, struct str data);

/*
 * A name server on a UDP socket of the test's loop. Names that start with "missing" do not exist,
 * those with "mute" get no answer, those with "pair" have 127.0.0.2 and 127.0.0.1, in this order;
 * all others have 10.0.0.7; for 60 s.
 */
struct name_server {
    struct watch watch;
    char address[32]; /* for resolver_set_servers */
    int queries;
};
void name_server_open(struct name_server *s);
void name_server_close(struct name_server *s);

enum certificate { CERT_GOOD, CERT_OTHER_NAME, CERT_EXPIRED, CERT_OTHER_CA, CERTS };
/* The files stay until the process ends. CERT_GOOD names localhost and 127.0.0.1. */
struct test_files {
    char ca[64];
    char certificate[CERTS][64];
    char key[64];
};
const struct test_files *test_certificates(void);

#endif

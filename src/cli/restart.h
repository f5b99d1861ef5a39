#ifndef HZ_CLI_RESTART_H
#define HZ_CLI_RESTART_H
/*
 * restart - another process of the program takes our place, without a failed request.
 *
 * SIGUSR2 starts the program anew: from the path that it was started from, so that a replaced file is
 * used, with the same arguments and environment, and one end of a pair of sockets. Over it go the
 * listening socket and a socket for the ledger (ledger_await_successor). Once the new process serves,
 * this one retires: it accepts nothing, gives each kept connection one last answer, and ends with the
 * last of them. If the new process fails, then or before, this one goes on as if nothing had been.
 *
 * Thread: the main thread.
 */

#include <sys/types.h>

#include "loop/task.h"

struct server;

struct restart {
    const char *program;
    char **argv;

    /* The process before us. */
    int predecessor; /* -1: none */
    int listener;    /* -1: none, or taken */
    int ledger;      /* 0: none */
    bool is_adopted; /* we listen at its socket */

    /* The process after us. */
    pid_t successor; /* 0: none */
    struct watch notices;
    bool is_retiring;
    bool has_said_goodbye; /* it was told to stop */
};

/* First of all: takes what a process before us has left. `argv` is what follows "huntaze serve". */
void restart_init(struct restart *r, int argc, char **argv);
void restart_fini(struct restart *r);

/* The signal. */
void restart_begin(struct server *s);
/* We serve: the process before us may retire, and systemd (NOTIFY_SOCKET) learns who the main
 * process is. */
void restart_announce(struct server *s);
/* We were told to stop: nobody is to go on in our place. */
void restart_stop(struct server *s);

#endif

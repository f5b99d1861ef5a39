#ifndef HZ_CLI_RELOAD_H
#define HZ_CLI_RELOAD_H
/*
 * reload - SIGHUP: the configuration and the certificates anew, without a dropped connection.
 *
 * A worker loads everything from the sources of the start: file, overlay, environment, command line.
 * What is not valid changes nothing, and each error is a line in the log. What is valid holds for
 * calls and handshakes that begin from now on; calls in flight keep what they began with. Options that
 * need a restart stay as they are, and one line names them.
 *
 * Thread: the main thread.
 */

struct server;

/* While one is under way, another one follows it. */
void reload_begin(struct server *s);

#endif

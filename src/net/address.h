#ifndef HZ_NET_ADDRESS_H
#define HZ_NET_ADDRESS_H
/* address - an IP address with its port, and its text. */

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/str.h"

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    };
    socklen_t len;
};

/* A literal IPv4 or IPv6 address (no brackets, no name). */
bool address_parse(struct str host, int port, struct address *out);
void address_set_port(struct address *a, int port);
int address_port(const struct address *a);

enum { ADDRESS_TEXT_MAX = 64 };
/* "127.0.0.1:80", "[::1]:80" */
void address_format(const struct address *a, char out[ADDRESS_TEXT_MAX]);
/* "127.0.0.1", "::1" */
void address_format_host(const struct address *a, char out[ADDRESS_TEXT_MAX]);

#endif

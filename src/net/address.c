#include "net/address.h"

#include <arpa/inet.h>
#include <stdio.h>

bool address_parse(struct str host, int port, struct address *out)
{
    char text[INET6_ADDRSTRLEN];
    if (host.len == 0 || host.len >= sizeof(text) || port < 0 || port > 65535)
        return false;
    memcpy(text, host.at, host.len);
    text[host.len] = '\0';
    if (strlen(text) != host.len)
        return false;

    *out = (struct address) { 0 };
    if (inet_pton(AF_INET, text, &out->v4.sin_addr) == 1) {
        out->v4.sin_family = AF_INET;
        out->len = sizeof(out->v4);
    } else if (inet_pton(AF_INET6, text, &out->v6.sin6_addr) == 1) {
        out->v6.sin6_family = AF_INET6;
        out->len = sizeof(out->v6);
    } else {
        return false;
    }
    address_set_port(out, port);
    return true;
}

void address_set_port(struct address *a, int port)
{
    if (a->any.sa_family == AF_INET6)
        a->v6.sin6_port = htons((uint16_t)port);
    else
        a->v4.sin_port = htons((uint16_t)port);
}

int address_port(const struct address *a)
{
    return ntohs(a->any.sa_family == AF_INET6 ? a->v6.sin6_port : a->v4.sin_port);
}

void address_format_host(const struct address *a, char out[ADDRESS_TEXT_MAX])
{
    bool is_v6 = a->any.sa_family == AF_INET6;
    const void *bytes = is_v6 ? (const void *)&a->v6.sin6_addr : (const void *)&a->v4.sin_addr;
    if (!inet_ntop(is_v6 ? AF_INET6 : AF_INET, bytes, out, ADDRESS_TEXT_MAX))
        out[0] = '\0';
}

void address_format(const struct address *a, char out[ADDRESS_TEXT_MAX])
{
    char host[ADDRESS_TEXT_MAX];
    address_format_host(a, host);
    const char *form = a->any.sa_family == AF_INET6 ? "[%.46s]:%d" : "%.46s:%d";
    snprintf(out, ADDRESS_TEXT_MAX, form, host, address_port(a));
}

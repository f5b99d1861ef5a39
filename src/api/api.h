#ifndef HZ_API_API_H
#define HZ_API_API_H
/*
 * api - the HTTP surface: one route table, one file a resource, no logic of its own.
 *
 * Owner:  one `struct api` a loop, made by `serve`.
 * Thread: the loop thread.
 */

#include "gateway/gateway.h"
#include "http/server.h"

struct api {
    struct gateway *gateway;
    struct gateway_loop *gateway_loop;
    int64_t started_ms; /* wall clock, for people */
    int64_t started_ns; /* monotonic: a clock may be set */
};

/* What an http server asks for; arg is a struct api. Who calls is settled by the head: a body without
 * a key is not read. What is open to all is vital: it tells an operator how we are, just then. */
bool api_admit(struct task *t, struct http_request *r, void *api);
void api_handle(struct task *t, struct http_request *r, void *api);
void api_refuse(struct http_request *r, enum err err, const char *detail, struct buf *headers,
                struct buf *body, void *api);
bool api_is_vital(const struct http_head *head);

#endif

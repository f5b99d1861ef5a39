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
    int64_t started_ms; /* wall clock */
};

/* An http_handler_fn and an http_refuse_fn; arg is a struct api. The third is an http_vital_fn: what
 * is open to all tells an operator how we are, just then. */
void api_handle(struct task *t, struct http_request *r, void *api);
void api_refuse(struct http_request *r, enum err err, const char *detail, struct buf *headers,
                struct buf *body, void *api);
bool api_is_vital(const struct http_head *head);

#endif

#ifndef HZ_API_REQUEST_H
#define HZ_API_REQUEST_H
/*
 * request - what the handlers of all resources share: the request with its correlation id and its
 * caller, replies in the house's shape, the access log.
 */

#include "api/api.h"

struct endpoint;

struct api_request {
    struct api *api;
    struct http_request *http;
    const struct endpoint *endpoint; /* NULL: none matched */
    struct str rest;           /* of the path, behind an endpoint that ends in '/' */
    struct log_ctx log;
    int64_t operation_id;
    bool is_correlation_given;
    bool is_identified;
    struct caller caller;
    struct fail fail;
    struct call *call; /* AI calls; NULL otherwise */
};

typedef void endpoint_fn(struct task *t, struct api_request *r);

/* The table (routes.c), ended by method = NULL. scope 0: open to all. */
struct endpoint {
    const char *method;
    const char *path; /* ending in '/': a prefix, the rest is r->rest */
    unsigned scope;   /* one bit of enum scope, or 0 */
    endpoint_fn *fn;
    const char *summary; /* for openapi and docs */
};
extern const struct endpoint endpoints[];
enum { ENDPOINTS_MAX = 64 };

/* ---- replies (reply.c); all log nothing and never fail: a client that left is no failure ---- */

void reply_json(struct task *t, struct api_request *r, int status, struct str body);
/* `extra`: further headers as "name: value\r\n"... */
void reply_with(struct task *t, struct api_request *r, int status, struct str extra, struct str body);
/* From r->fail, or the table's text for `err`. */
void reply_fail(struct task *t, struct api_request *r, enum err err);
/* What call_run left when it returned `err`. */
void reply_call_error(struct task *t, struct api_request *r, enum err err);
/* Headers that every answer has. */
void reply_base_headers(const struct api_request *r, struct buf *out);

/* ---- AI calls (hints.c) ---- */

/* Reads X-Huntaze-Type, -Feature, -Language. ERR_BAD_REQUEST names what is allowed. */
enum err request_read_hints(struct api_request *r) HZ_MUST_USE;
/* A call with everything but its request filled in; freed with the request. */
struct call *request_new_call(struct api_request *r);

/* ---- resources ---- */

endpoint_fn openai_chat, openai_embeddings, openai_deployment, openai_models, openai_model;
endpoint_fn router_route;
endpoint_fn health_health, health_live, health_ready, health_metrics;

#endif

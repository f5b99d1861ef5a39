#ifndef HZ_LLM_HEADERS_H
#define HZ_LLM_HEADERS_H
/* headers - what a provider's response headers say of limits, waits, region and ids. */

#include "base/str.h"

struct llm_limits {
    int64_t remaining_requests; /* -1 = unknown (absent, negative) */
    int64_t remaining_tokens;
    int64_t retry_after_ms; /* -1 = none */
    struct str region;      /* x-ms-region, or empty */
    struct str request_id;  /* apim-request-id, else x-request-id */
};
struct http_head;
/* now_ms: wall clock, for Retry-After as a date. Text borrows from the head. */
void llm_limits_read(const struct http_head *head, int64_t now_ms, struct llm_limits *out);

#endif

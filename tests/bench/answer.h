#ifndef BENCH_ANSWER_H
#define BENCH_ANSWER_H
/*
 * answer - reads HTTP/1.1 answers as far as a load generator must: where each ends, and how many
 * server-sent events it held.
 *
 * Content-Length and chunked bodies; an answer with neither is an error, as is one that is not
 * HTTP. Any split of the input gives the same result.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ANSWER_LINE_MAX = 1024 };

enum answer_state {
    ANSWER_HEAD,
    ANSWER_BODY,
    ANSWER_SIZE,
    ANSWER_DATA,
    ANSWER_DATA_END,
    ANSWER_TRAILER,
    ANSWER_DONE,
    ANSWER_BROKEN,
};

struct answer {
    enum answer_state state;
    int status;
    bool is_chunked, is_closing, has_length;
    uint64_t left;   /* bytes of the body, or of the chunk */
    uint64_t events; /* blank lines in the body */
    bool is_line_empty;
    size_t line_len;
    char line[ANSWER_LINE_MAX];
};

void answer_init(struct answer *a);
/* Returns how many bytes belonged to this answer; stops at ANSWER_DONE and ANSWER_BROKEN. */
size_t answer_feed(struct answer *a, const char *at, size_t len);
#endif

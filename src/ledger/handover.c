#include "ledger/handover.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/id.h"
#include "base/mem.h"

/* For a successor to open its ledger and begin to serve, or to wait for its own database. */
enum { PATIENCE_S = 20 };

_Static_assert(sizeof(struct handover_message) + sizeof(uint32_t) + ROW_BYTES_MAX <=
                   HANDOVER_BYTES_MAX,
               "a message holds at least a row");

static enum err send_bytes(int fd, const void *at, size_t len, int flags)
{
    ssize_t n;
    do {
        n = send(fd, at, len, MSG_NOSIGNAL | flags);
    } while (n < 0 && errno == EINTR);
    return n == (ssize_t)len ? OK : ERR_CLOSED;
}

static enum err receive(int fd, char *room, int flags, struct handover_message *out,
                        struct str *rest)
{
    ssize_t n;
    do {
        n = recv(fd, room, HANDOVER_BYTES_MAX, flags);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && flags && (errno == EAGAIN || errno == EWOULDBLOCK))
        return ERR_AGAIN;
    if (n < (ssize_t)sizeof(*out))
        return ERR_CLOSED;
    memcpy(out, room, sizeof(*out));
    *rest = str_make(room + sizeof(*out), (size_t)n - sizeof(*out));
    return OK;
}

static enum err receive_patiently(int fd, struct handover_message *out)
{
    struct timeval patience = { .tv_sec = PATIENCE_S };
    struct str rest;
    char *room = mem_alloc(HANDOVER_BYTES_MAX);
    enum err err = ERR_CLOSED;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0)
        err = receive(fd, room, 0, out, &rest);
    mem_free(room);
    return err;
}

enum err handover_receive(int fd, char *room, struct handover_message *out, struct str *rest)
{
    return receive(fd, room, MSG_DONTWAIT, out, rest);
}

/* Ids are drawn without asking anybody, so two processes must never draw under one number. Once
 * last_id is drawn, no loop that saw the old number can still make an id of it. */
struct handover_message handover_retire_ids(unsigned *node, unsigned ours, unsigned theirs)
{
    do {
        *node = (*node + 1) % ID_NODES;
    } while (*node == theirs || *node == ours);
    id_set_node(*node);
    return (struct handover_message) { .kind = HANDOVER_GIVEN,
                                       .given = { .last_id = id_next(), .node = *node } };
}

enum err handover_answer(int fd, const struct handover_message *m)
{
    return send_bytes(fd, m, sizeof(*m), MSG_DONTWAIT);
}

/* ---- rows ---- */

bool handover_next_row(struct str *rest, struct str *row)
{
    uint32_t len;
    if (rest->len < sizeof(len))
        return false;
    memcpy(&len, rest->at, sizeof(len));
    if (len > rest->len - sizeof(len))
        return false;
    *row = str_make(rest->at + sizeof(len), len);
    *rest = str_skip(*rest, sizeof(len) + len);
    return true;
}

/* As many rows as fit; returns the message's length. */
static size_t pack(char *room, struct names *names, struct record *const *rows, size_t *count)
{
    size_t len = sizeof(struct handover_message), packed = 0;
    while (packed < *count && len + sizeof(uint32_t) + ROW_BYTES_MAX <= HANDOVER_BYTES_MAX) {
        char *body = room + len + sizeof(uint32_t);
        uint32_t bytes = (uint32_t)row_encode(&rows[packed++]->row, names, body);
        memcpy(room + len, &bytes, sizeof(bytes));
        len += sizeof(bytes) + bytes;
    }
    struct handover_message m = { .kind = HANDOVER_ROWS, .rows = (int64_t)packed };
    memcpy(room, &m, sizeof(m));
    *count = packed;
    return len;
}

enum err handover_write(int fd, struct names *names, struct record *const *rows, size_t count)
{
    char *room = mem_alloc(HANDOVER_BYTES_MAX);
    enum err err = OK;
    for (size_t done = 0, packed; done < count && !err; done += packed) {
        struct handover_message answer;
        packed = count - done;
        size_t len = pack(room, names, rows + done, &packed);
        err = send_bytes(fd, room, len, 0);
        if (!err)
            err = receive_patiently(fd, &answer);
        if (!err)
            err = answer.kind != HANDOVER_DONE ? ERR_CLOSED : answer.result ? ERR_STORE : OK;
    }
    mem_free(room);
    return err;
}

bool handover_is_alive(int fd)
{
    char byte;
    ssize_t n = recv(fd, &byte, sizeof(byte), MSG_PEEK | MSG_DONTWAIT);
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK));
}

void handover_close(int fd, bool is_done)
{
    static const struct handover_message end = { .kind = HANDOVER_END };
    if (fd < 0)
        return;
    /* Whom nobody reads any more needs no goodbye. */
    enum err err = is_done ? handover_answer(fd, &end) : OK;
    (void)err;
    close(fd);
}

enum err handover_ask(int fd, const struct claim_name *store, unsigned node,
                      struct handover_message *given)
{
    struct handover_message ask = { .kind = HANDOVER_ASK, .ask = { .store = *store, .node = node } };
    enum err err = handover_answer(fd, &ask);
    if (!err)
        err = receive_patiently(fd, given);
    if (!err && given->kind != HANDOVER_GIVEN)
        err = given->kind == HANDOVER_KEPT ? ERR_STORE : ERR_CLOSED;
    return err;
}

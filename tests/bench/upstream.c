/*
 * upstream - a provider that streams at a fixed pace, one thread.
 *
 * Answers every POST with an event stream in OpenAI's form: a role, content chunks of about 250
 * bytes, a finish reason, usage, [DONE]; one write an event, one event each interval. The streams
 * are spread evenly over the interval, as they are when callers do not start together.
 *
 * Stops when standard input ends, or after --seconds.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "link.h"

enum {
    SLOTS_MAX = 10000, /* ms: the longest interval */
    EVENTS_MAX = 1000000,
    SECONDS_MAX = 7200,
    REQUEST_MAX = 65536,
    BACKLOG = 4096,
    WAKES = 256,
    FRAME_MAX = 1024,
};

static const int64_t NS_PER_MS = 1000000;

enum frame_kind { FRAME_ROLE, FRAME_CONTENT, FRAME_FINISH, FRAME_USAGE, FRAME_DONE, FRAMES };

struct frame {
    char text[FRAME_MAX];
    size_t len;
};

struct stream {
    struct link link;
    size_t got;          /* bytes of the request so far */
    size_t wanted;       /* its length, once the head is known */
    unsigned next_event; /* 0: not streaming */
    const struct frame *frame;
    size_t sent;
    struct stream *next, **at; /* in a slot */
    char head[REQUEST_MAX];
};

static struct upstream {
    int listen_fd, epoll_fd;
    SSL_CTX *tls;
    struct sockaddr_in address;
    unsigned events, interval_ms, seconds, next_slot;
    struct frame frames[FRAMES];
    struct frame head;
    struct stream *slots[SLOTS_MAX];
    unsigned long long stalled;
} up = { .events = 100, .interval_ms = 50, .seconds = 600 };

/* ---- the words ---- */

static void frame_set(struct frame *frame, const char *data, const char *tail)
{
    size_t len = strlen("data: ") + strlen(data) + strlen("\n\n");
    frame->len = (size_t)snprintf(frame->text, FRAME_MAX, "%zx\r\ndata: %s\n\n\r\n%s", len, data, tail);
}

static void frame_chunk(struct frame *frame, const char *choices, const char *usage)
{
    char data[FRAME_MAX - 64];
    snprintf(data, sizeof(data),
             "{\"id\":\"chatcmpl-AbCdEfGhIjKlMnOpQrStUvWx\",\"object\":\"chat.completion.chunk\","
             "\"created\":1760000000,\"model\":\"gpt-4o-2024-08-06\",\"service_tier\":\"default\","
             "\"system_fingerprint\":\"fp_50cad350e4\",\"choices\":[%s],\"usage\":%s}",
             choices, usage);
    frame_set(frame, data, "");
}

static void make_frames(void)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
                               "Cache-Control: no-cache\r\nX-Request-Id: req_0123456789abcdef\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n";
    memcpy(up.head.text, head, sizeof(head));
    up.head.len = sizeof(head) - 1;
    frame_chunk(&up.frames[FRAME_ROLE],
                "{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}",
                "null");
    frame_chunk(&up.frames[FRAME_CONTENT],
                "{\"index\":0,\"delta\":{\"content\":\" token\"},\"finish_reason\":null}", "null");
    frame_chunk(&up.frames[FRAME_FINISH], "{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}", "null");
    frame_chunk(&up.frames[FRAME_USAGE], "",
                "{\"prompt_tokens\":350,\"completion_tokens\":100,\"total_tokens\":450,"
                "\"prompt_tokens_details\":{\"cached_tokens\":0}}");
    frame_set(&up.frames[FRAME_DONE], "[DONE]", "0\r\n\r\n");
}

static const struct frame *frame_of(unsigned event)
{
    unsigned left = up.events - event;
    return event == 0  ? &up.frames[FRAME_ROLE]
           : left == 3 ? &up.frames[FRAME_FINISH]
           : left == 2 ? &up.frames[FRAME_USAGE]
           : left == 1 ? &up.frames[FRAME_DONE]
                       : &up.frames[FRAME_CONTENT];
}

/* ---- streams ---- */

static void slot_leave(struct stream *s)
{
    if (!s->at)
        return;
    *s->at = s->next;
    if (s->next)
        s->next->at = s->at;
    s->at = NULL;
}

static void slot_enter(struct stream *s)
{
    struct stream **slot = &up.slots[up.next_slot++ % up.interval_ms];
    s->next = *slot;
    s->at = slot;
    if (s->next)
        s->next->at = &s->next;
    *slot = s;
}

static void stream_close(struct stream *s)
{
    slot_leave(s);
    link_close(&s->link);
    free(s);
}

/* False: the stream is gone. */
static bool stream_push(struct stream *s)
{
    while (s->frame && s->sent < s->frame->len) {
        ssize_t n = link_write(&s->link, s->frame->text + s->sent, s->frame->len - s->sent);
        if (n == LINK_AGAIN)
            return true;
        if (n < 0) {
            stream_close(s);
            return false;
        }
        s->sent += (size_t)n;
    }
    s->frame = NULL;
    return true;
}

static bool stream_start_frame(struct stream *s, const struct frame *frame)
{
    s->frame = frame;
    s->sent = 0;
    return stream_push(s);
}

static void stream_step(struct stream *s)
{
    if (s->frame) {
        up.stalled++;
        return;
    }
    if (!stream_start_frame(s, frame_of(s->next_event++)))
        return;
    if (s->next_event == up.events)
        slot_leave(s);
}

static void slot_run(unsigned slot)
{
    struct stream *next;
    for (struct stream *s = up.slots[slot]; s; s = next) {
        next = s->next;
        stream_step(s);
    }
}

/* ---- requests ---- */

static size_t request_len(const char *head, size_t len)
{
    const char *end = memmem(head, len, "\r\n\r\n", 4);
    if (!end)
        return 0;
    const char *length = strcasestr(head, "\r\ncontent-length:");
    size_t body = length && length < end ? strtoul(length + 17, NULL, 10) : 0;
    return (size_t)(end - head) + 4 + body;
}

static void stream_begin(struct stream *s)
{
    s->got = s->wanted = 0;
    s->next_event = 0;
    if (stream_start_frame(s, &up.head))
        slot_enter(s);
}

static void on_input(struct stream *s)
{
    while (true) {
        ssize_t n = link_read(&s->link, s->head + s->got, REQUEST_MAX - 1 - s->got);
        if (n == LINK_AGAIN)
            return;
        /* Nothing may come while an answer is under way, and no request is that long. */
        if (n <= 0 || s->at || s->got + (size_t)n == REQUEST_MAX - 1) {
            stream_close(s);
            return;
        }
        s->got += (size_t)n;
        s->head[s->got] = '\0';
        if (!s->wanted)
            s->wanted = request_len(s->head, s->got);
        if (s->wanted && s->got >= s->wanted)
            break;
    }
    stream_begin(s);
}

static void on_ready(struct stream *s, uint32_t events)
{
    if (s->frame && !stream_push(s))
        return;
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        on_input(s);
}

static void accept_all(void)
{
    int fd;
    while ((fd = accept4(up.listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct stream *s = calloc(1, sizeof(*s));
        if (!s || !link_accept(&s->link, fd, up.tls)) {
            free(s);
            continue;
        }
        struct epoll_event wish = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = s };
        epoll_ctl(up.epoll_fd, EPOLL_CTL_ADD, fd, &wish);
    }
}

/* ---- the loop ---- */

static int stdin_mark, listen_mark;

/* False: standard input has ended. */
static bool turn(int wait_ms)
{
    static struct epoll_event ready[WAKES];
    char room[64];
    int count = epoll_wait(up.epoll_fd, ready, WAKES, wait_ms);
    for (int i = 0; i < count; i++) {
        if (ready[i].data.ptr == &listen_mark)
            accept_all();
        else if (ready[i].data.ptr != &stdin_mark)
            on_ready(ready[i].data.ptr, ready[i].events);
        else if (read(STDIN_FILENO, room, sizeof(room)) <= 0)
            return false;
    }
    return true;
}

static void run(void)
{
    int64_t began = now_ns(), end = began + up.seconds * 1000 * NS_PER_MS, tick = 0;
    while (now_ns() < end) {
        int64_t next = began + (tick + 1) * NS_PER_MS, now = now_ns();
        if (!turn(now >= next ? 0 : 1))
            return;
        /* Ticks that were missed are made up for, so that the pace holds on a busy machine. */
        for (; now_ns() >= began + (tick + 1) * NS_PER_MS; tick++)
            slot_run((unsigned)(tick % up.interval_ms));
    }
}

static void watch(int fd, void *mark)
{
    struct epoll_event wish = { .events = EPOLLIN, .data.ptr = mark };
    epoll_ctl(up.epoll_fd, EPOLL_CTL_ADD, fd, &wish);
}

static void listen_up(void)
{
    int one = 1;
    up.listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(up.listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(up.listen_fd, (struct sockaddr *)&up.address, sizeof(up.address)) != 0 ||
        listen(up.listen_fd, BACKLOG) != 0) {
        perror("upstream: listen");
        exit(2);
    }
    up.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    watch(up.listen_fd, &listen_mark);
    watch(STDIN_FILENO, &stdin_mark);
}

/* ---- options ---- */

static void leave(void)
{
    fprintf(stderr, "usage: upstream [--events N] [--interval-ms MS] [--seconds S]\n"
                    "                [--certificate PEM --key PEM] 127.0.0.1:PORT\n");
    exit(2);
}

static unsigned number(const char *text, unsigned low, unsigned high)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (end == text || *end || value < low || value > high)
        leave();
    return (unsigned)value;
}

static void parse(int argc, char **argv)
{
    static const struct option options[] = {
        { "events", 1, NULL, 'e' },      { "interval-ms", 1, NULL, 'i' }, { "seconds", 1, NULL, 's' },
        { "certificate", 1, NULL, 'c' }, { "key", 1, NULL, 'k' },         { 0 },
    };
    const char *certificate = NULL, *key = NULL;
    int name;
    while ((name = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (name) {
        case 'e': up.events = number(optarg, 5, EVENTS_MAX); break;
        case 'i': up.interval_ms = number(optarg, 1, SLOTS_MAX); break;
        case 's': up.seconds = number(optarg, 1, SECONDS_MAX); break;
        case 'c': certificate = optarg; break;
        case 'k': key = optarg; break;
        default: leave();
        }
    }
    if (optind != argc - 1 || !link_address(argv[optind], &up.address) || !certificate != !key)
        leave();
    if (certificate)
        up.tls = link_server_context(certificate, key);
}

int main(int argc, char **argv)
{
    struct rlimit limit;
    parse(argc, argv);
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    make_frames();
    listen_up();
    run();
    if (up.stalled)
        fprintf(stderr, "upstream: %llu events were late because the reader was slow\n", up.stalled);
    return 0;
}

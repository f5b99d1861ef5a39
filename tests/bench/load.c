/*
 * load - a load generator for loopback servers, one thread.
 *
 * Three ways of asking:
 *   closed   each connection asks again as soon as it is answered: saturation
 *   paced    --rate: requests start at fixed times, whether the server keeps up or not; latency is
 *            counted from the time at which a request should have started, so that waiting for a
 *            free connection is not hidden
 *   idle     --idle: each connection asks once (or never), then rests until standard input ends
 *
 * A line on standard input prints the counters as they stand, a JSON line; the last line is the
 * report. Everything is bounded: connections, requests, seconds.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "answer.h"
#include "link.h"
#include "times.h"

enum {
    CONNECTIONS_MAX = 20000,
    SECONDS_MAX = 600,
    RATE_MAX = 1000000,
    OPENING_MAX = 256, /* below the backlog of any listener */
    REQUEST_MAX = 1 << 20,
    READ_BYTES = 65536,
    WAKES = 256,
    ERRORS_MAX = 10000,
    IDLE_ASKING_MAX = 64, /* so that the peak of asking is not taken for the cost of resting */
    OPEN_S = 60,
    DRAIN_MS = 2000,
};

static const int64_t NS_PER_S = 1000000000;
static const uint64_t REQUESTS_MAX = 1000000000;

enum connection_state { CLOSED, OPENING, RESTING, ASKING };

struct connection {
    struct link link;
    enum connection_state state;
    bool has_first_event, was_reused;
    size_t sent;
    int64_t asked_ns;
    struct answer answer;
};

struct counters {
    uint64_t requests, errors, events, bytes;
    uint64_t reopened; /* connections that the server closed between requests */
    uint64_t late;     /* paced requests that found no free connection in time */
    uint64_t refused;  /* with --refusals: answered 503 */
    int last_bad_status;
};

static struct load {
    struct sockaddr_in to;
    SSL_CTX *tls;
    char *request;
    size_t request_len;
    unsigned connections_len, opening, open, opened_ever;
    int64_t seconds, lead_ns;
    uint64_t requests_max;
    double rate;
    bool is_sse, is_idle, may_refuse;

    int epoll_fd;
    struct connection *connections;
    unsigned *resting;
    unsigned resting_len;
    uint64_t started; /* requests begun */
    unsigned asking;
    int64_t began_ns, last_ns;
    bool is_running, is_ready, is_stopping;
    struct counters counters;
    struct times latency, first_event, refusal;
} load = { .connections_len = 1, .seconds = 10, .epoll_fd = -1 };

static void ask(struct connection *c, int64_t asked_ns);

/* ---- connections ---- */

static void connection_close(struct connection *c)
{
    load.open -= c->state == RESTING || c->state == ASKING;
    load.opening -= c->state == OPENING;
    load.asking -= c->state == ASKING;
    c->state = CLOSED;
    link_close(&c->link);
}

static void fail(struct connection *c)
{
    load.counters.errors++;
    connection_close(c);
    load.is_stopping |= load.counters.errors >= ERRORS_MAX;
}

static void connection_open(struct connection *c)
{
    if (!link_connect(&c->link, &load.to, load.tls)) {
        fail(c);
        return;
    }
    struct epoll_event wish = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c };
    if (epoll_ctl(load.epoll_fd, EPOLL_CTL_ADD, c->link.fd, &wish) != 0) {
        perror("epoll_ctl");
        exit(2);
    }
    c->state = OPENING;
    load.opening++;
}

static void open_more(void)
{
    while (load.opening < OPENING_MAX && load.opened_ever < load.connections_len && !load.is_stopping)
        connection_open(&load.connections[load.opened_ever++]);
}

static void rest(struct connection *c)
{
    c->state = RESTING;
    /* When idling, each asks once. */
    if (load.is_idle && c->was_reused)
        return;
    load.resting[load.resting_len++] = (unsigned)(c - load.connections);
}

static void opened(struct connection *c)
{
    load.opening--;
    load.open++;
    c->was_reused = false;
    rest(c);
}

/* ---- requests ---- */

static void note(struct times *times, const struct connection *c, int64_t now)
{
    if (c->asked_ns - load.began_ns >= load.lead_ns)
        times_add(times, now - c->asked_ns);
}

static void count_first_event(struct connection *c, int64_t now)
{
    if (c->has_first_event || c->answer.events == 0)
        return;
    c->has_first_event = true;
    note(&load.first_event, c, now);
}

static void finish(struct connection *c)
{
    int64_t now = now_ns();
    bool is_good = c->answer.status >= 200 && c->answer.status < 300;
    load.asking--;
    load.last_ns = now;
    c->was_reused = true;
    if (is_good) {
        load.counters.requests++;
        note(&load.latency, c, now);
    } else if (load.may_refuse && c->answer.status == 503) {
        load.counters.refused++;
        note(&load.refusal, c, now);
    } else {
        load.counters.errors++;
        load.counters.last_bad_status = c->answer.status;
        load.is_stopping |= load.counters.errors >= ERRORS_MAX;
    }
    c->state = RESTING;
    if (c->answer.is_closing) {
        connection_close(c);
        connection_open(c);
    } else {
        rest(c);
    }
}

static void take(struct connection *c, const char *at, size_t len)
{
    uint64_t events = c->answer.events;
    load.counters.bytes += len;
    size_t used = answer_feed(&c->answer, at, len);
    if (c->answer.events > events) {
        load.counters.events += c->answer.events - events;
        count_first_event(c, now_ns());
    }
    if (c->answer.state == ANSWER_BROKEN || used < len)
        fail(c);
    else if (c->answer.state == ANSWER_DONE)
        finish(c);
}

static void lost(struct connection *c)
{
    /* A server may close a kept connection at any time; only an answer cut short is an error. */
    bool is_fair = c->state == RESTING || (c->was_reused && c->answer.state == ANSWER_HEAD &&
                                           c->answer.status == 0);
    load.counters.reopened++;
    if (c->state == RESTING) {
        for (unsigned i = 0; i < load.resting_len; i++) {
            if (&load.connections[load.resting[i]] == c)
                load.resting[i--] = load.resting[--load.resting_len];
        }
    }
    if (!is_fair) {
        fail(c);
        return;
    }
    connection_close(c);
    if (!load.is_idle && !load.is_stopping)
        connection_open(c);
}

static void read_all(struct connection *c)
{
    static char room[READ_BYTES];
    while (c->state == ASKING || c->state == RESTING) {
        ssize_t n = link_read(&c->link, room, sizeof(room));
        if (n == LINK_AGAIN)
            return;
        if (n <= 0 || c->state == RESTING) {
            lost(c);
            return;
        }
        take(c, room, (size_t)n);
        /* A short read empties the socket; a TLS layer may still hold data. */
        if (!c->link.ssl && (size_t)n < sizeof(room))
            return;
    }
}

static void send_rest(struct connection *c)
{
    while (c->sent < load.request_len) {
        ssize_t n = link_write(&c->link, load.request + c->sent, load.request_len - c->sent);
        if (n == LINK_AGAIN)
            return;
        if (n < 0) {
            lost(c);
            return;
        }
        c->sent += (size_t)n;
    }
}

static void ask(struct connection *c, int64_t asked_ns)
{
    c->state = ASKING;
    c->sent = 0;
    c->has_first_event = false;
    c->asked_ns = asked_ns;
    answer_init(&c->answer);
    load.started++;
    load.asking++;
    send_rest(c);
}

static void on_ready(struct connection *c, uint32_t events)
{
    if (c->state == OPENING) {
        int done = link_handshake(&c->link);
        if (done == LINK_BROKEN)
            fail(c);
        else if (done == 1)
            opened(c);
        return;
    }
    if (c->state == ASKING && c->sent < load.request_len)
        send_rest(c);
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        read_all(c);
}

/* ---- when to ask ---- */

static struct connection *take_resting(void)
{
    return load.resting_len ? &load.connections[load.resting[--load.resting_len]] : NULL;
}

static int64_t due_ns(void)
{
    return load.began_ns + (int64_t)((double)load.started * 1e9 / load.rate);
}

static bool may_start(void)
{
    return load.started < load.requests_max && !load.is_stopping &&
           (!load.is_idle || load.asking < IDLE_ASKING_MAX);
}

static void start_requests(void)
{
    int64_t now = load.rate > 0 || load.resting_len ? now_ns() : 0;
    struct connection *c;
    if (load.rate > 0) {
        while (may_start() && due_ns() <= now && load.resting_len) {
            int64_t due = due_ns();
            load.counters.late += now - due > NS_PER_S / 1000;
            ask(take_resting(), due);
        }
        return;
    }
    /* A request may be answered while the loop goes on; those ask again in the next turn. */
    for (unsigned left = load.resting_len; left > 0 && may_start() && (c = take_resting()); left--)
        ask(c, now);
}

/* ---- output ---- */

static double us_at(const struct times *t, double share)
{
    return (double)times_at(t, share) / 1e3;
}

static void print_times(const char *name, const struct times *t)
{
    printf(", \"%s\": {\"count\": %" PRIu64 ", \"p50\": %.1f, \"p90\": %.1f, \"p99\": %.1f, "
           "\"p999\": %.1f, \"max\": %.1f}",
           name, t->count, us_at(t, 0.5), us_at(t, 0.9), us_at(t, 0.99), us_at(t, 0.999), us_at(t, 1));
}

static void print_counters(const char *kind)
{
    const struct counters *n = &load.counters;
    printf("{\"kind\": \"%s\", \"ns\": %" PRId64 ", \"requests\": %" PRIu64 ", \"errors\": %" PRIu64
           ", \"events\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"reopened\": %" PRIu64
           ", \"late\": %" PRIu64 ", \"refused\": %" PRIu64 ", \"open\": %u, \"unfinished\": %u, \"last_bad_status\": %d",
           kind, now_ns(), n->requests, n->errors, n->events, n->bytes, n->reopened, n->late, n->refused, load.open,
           load.asking, n->last_bad_status);
}

static void print_mark(const char *kind)
{
    print_counters(kind);
    printf("}\n");
    fflush(stdout);
}

static void print_report(void)
{
    double seconds = (double)(load.last_ns - load.began_ns) / 1e9;
    print_counters("report");
    printf(", \"seconds\": %.6f, \"rate\": %.1f", seconds,
           seconds > 0 ? (double)load.counters.requests / seconds : 0);
    print_times("latency_us", &load.latency);
    if (load.is_sse)
        print_times("first_event_us", &load.first_event);
    if (load.may_refuse)
        print_times("refusal_us", &load.refusal);
    printf("}\n");
}

static void on_stdin(void)
{
    char room[64];
    ssize_t n = read(STDIN_FILENO, room, sizeof(room));
    if (n <= 0) {
        epoll_ctl(load.epoll_fd, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
        load.is_stopping |= load.is_idle;
    }
    for (ssize_t i = 0; i < n; i++) {
        if (room[i] == '\n')
            print_mark("mark");
    }
}

/* ---- the loop ---- */

static void begin_when_open(void)
{
    if (load.is_running || load.opening || load.opened_ever < load.connections_len)
        return;
    load.is_running = true;
    load.began_ns = load.last_ns = now_ns();
    if (load.is_idle)
        load.requests_max = load.request_len ? load.resting_len : 0;
    if (load.open == 0)
        load.is_stopping = true;
}

static void say_ready(void)
{
    bool is_due = load.is_idle ? load.started == load.requests_max && load.asking == 0 : true;
    if (!load.is_running || load.is_ready || !is_due)
        return;
    load.is_ready = true;
    print_mark("ready");
}

static int64_t wait_ns(int64_t end_ns)
{
    int64_t now = now_ns(), until = end_ns;
    if (load.is_running && load.rate > 0 && may_start() && load.resting_len && due_ns() < until)
        until = due_ns();
    else if (load.is_running && load.rate == 0 && may_start() && load.resting_len)
        return 0;
    return until > now ? until - now : 0;
}

static void turn(int64_t end_ns)
{
    static struct epoll_event ready[WAKES];
    int64_t ns = wait_ns(end_ns);
    struct timespec patience = { .tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S };
    int count = epoll_pwait2(load.epoll_fd, ready, WAKES, &patience, NULL);
    for (int i = 0; i < count; i++) {
        if (ready[i].data.ptr)
            on_ready(ready[i].data.ptr, ready[i].events);
        else
            on_stdin();
    }
    open_more();
    begin_when_open();
    if (load.is_running)
        start_requests();
    say_ready();
}

static void run(void)
{
    int64_t open_end_ns = now_ns() + OPEN_S * NS_PER_S;
    open_more();
    while (!load.is_running && !load.is_stopping && now_ns() < open_end_ns)
        turn(open_end_ns);
    int64_t end_ns = now_ns() + load.seconds * NS_PER_S;
    bool is_endless = load.is_idle;
    while (!load.is_stopping && now_ns() < end_ns &&
           (is_endless || load.started < load.requests_max || load.asking))
        turn(end_ns);
    load.is_stopping = true;
    int64_t drain_ns = now_ns() + (load.is_sse || load.is_idle ? 0 : DRAIN_MS * NS_PER_S / 1000);
    while (load.asking && now_ns() < drain_ns)
        turn(drain_ns);
}

/* ---- options ---- */

static const char usage[] =
    "usage: load [options] 127.0.0.1:PORT\n"
    "  --request FILE    what to send, byte for byte: head and body\n"
    "  --connections N   1 to 20000 (default 1)\n"
    "  --seconds S       1 to 600 (default 10)\n"
    "  --requests M      stop after so many\n"
    "  --rate R          start R requests a second, instead of one after the other\n"
    "  --tls             over TLS; certificates are not checked\n"
    "  --sse             answers are event streams: also print the time to the first event\n"
    "  --lead S          times of requests of the first S seconds are not taken\n"
    "  --refusals        503 is an answer like another, counted apart\n"
    "  --idle            ask once on each connection (never, without --request), then hold them\n"
    "                    until standard input ends\n";

static void leave(const char *why)
{
    fprintf(stderr, "load: %s\n%s", why, usage);
    exit(2);
}

static double number(const char *text, double low, double high)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !(value >= low && value <= high))
        leave("a number is out of its range");
    return value;
}

static void read_request(const char *path)
{
    FILE *file = fopen(path, "rb");
    load.request = malloc(REQUEST_MAX);
    if (!file || !load.request)
        leave("cannot read the request file");
    load.request_len = fread(load.request, 1, REQUEST_MAX, file);
    if (ferror(file) || !feof(file) || load.request_len == 0)
        leave("the request file is empty or too large");
    fclose(file);
}

static void set_option(char name)
{
    switch (name) {
    case 'r': read_request(optarg); break;
    case 'c': load.connections_len = (unsigned)number(optarg, 1, CONNECTIONS_MAX); break;
    case 's': load.seconds = (int64_t)number(optarg, 1, SECONDS_MAX); break;
    case 'm': load.requests_max = (uint64_t)number(optarg, 1, (double)REQUESTS_MAX); break;
    case 'R': load.rate = number(optarg, 1, RATE_MAX); break;
    case 't': load.tls = link_client_context(); break;
    case 'e': load.is_sse = true; break;
    case 'l': load.lead_ns = (int64_t)number(optarg, 0, SECONDS_MAX) * NS_PER_S; break;
    case 'f': load.may_refuse = true; break;
    case 'i': load.is_idle = true; break;
    default: leave("unknown option");
    }
}

static void parse(int argc, char **argv)
{
    static const struct option options[] = {
        { "request", 1, NULL, 'r' }, { "connections", 1, NULL, 'c' }, { "seconds", 1, NULL, 's' },
        { "requests", 1, NULL, 'm' }, { "rate", 1, NULL, 'R' },       { "tls", 0, NULL, 't' },
        { "sse", 0, NULL, 'e' },      { "idle", 0, NULL, 'i' },       { "refusals", 0, NULL, 'f' },
        { "lead", 1, NULL, 'l' },     { 0 },
    };
    int name;
    load.requests_max = REQUESTS_MAX;
    while ((name = getopt_long(argc, argv, "", options, NULL)) != -1)
        set_option((char)name);
    if (optind != argc - 1 || !link_address(argv[optind], &load.to))
        leave("one address is needed, of 127.0.0.0/8");
    if (!load.request_len && !load.is_idle)
        leave("--request is needed");
}

static void raise_limits(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    /* Pacing finer than the usual 50 us. */
    prctl(PR_SET_TIMERSLACK, 1000UL);
}

int main(int argc, char **argv)
{
    parse(argc, argv);
    raise_limits();
    load.connections = calloc(load.connections_len, sizeof(*load.connections));
    load.resting = calloc(load.connections_len, sizeof(*load.resting));
    load.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!load.connections || !load.resting || load.epoll_fd < 0)
        leave("out of memory");
    for (unsigned i = 0; i < load.connections_len; i++)
        load.connections[i].link.fd = -1;
    struct epoll_event wish = { .events = EPOLLIN };
    epoll_ctl(load.epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &wish);
    run();
    print_report();
    return load.counters.errors ? 1 : 0;
}

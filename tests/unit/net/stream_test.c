#include "support.h"

#include <errno.h>
#include <unistd.h>

/* One end is a stream, the other a bare socket. */
struct ends {
    struct stream stream;
    int peer;
    int inputs;
    int gones;
    enum err result;
    size_t bytes;
    bool is_done;
};

static void ends_open(struct ends *e)
{
    int fds[2];
    tcp_pair(fds);
    *e = (struct ends) { .peer = fds[1] };
    CHECK_OK(stream_open_fd(&e->stream, test_loop, fds[0]));
}

static void ends_close(struct ends *e)
{
    stream_close(&e->stream);
    close(e->peer);
}

static void reads_one(struct task *t, void *arg)
{
    struct ends *e = arg;
    char data[64];
    e->result = stream_read(t, &e->stream, data, sizeof(data), &e->bytes, INT64_MAX);
    e->is_done = true;
}

static void on_input(struct stream *s)
{
    HZ_CONTAINER_OF(s, struct ends, stream)->inputs++;
}

static void on_gone(struct stream *s)
{
    HZ_CONTAINER_OF(s, struct ends, stream)->gones++;
}

static void waits_for_bytes(struct task *t, void *arg)
{
    (void)arg;
    struct ends e;
    ends_open(&e);
    struct task *reader = task_spawn_joinable(test_loop, "reader", reads_one, &e);
    CHECK_OK(task_sleep(t, 10));
    CHECK(!e.is_done);
    put(e.peer, STR("hello"));
    task_join(t, reader);
    CHECK_OK(e.result);
    CHECK_EQ(e.bytes, 5);
    ends_close(&e);
    test_done();
}

TEST(a_read_waits_until_bytes_come)
{
    test_run(waits_for_bytes, NULL);
}

static void reads_what_came_before(struct task *t, void *arg)
{
    (void)arg;
    struct ends e;
    ends_open(&e);
    e.stream.on_idle_input = on_input;
    put(e.peer, STR("early"));
    CHECK_OK(task_sleep(t, 10));
    CHECK_EQ(e.inputs, 1);
    char data[64];
    size_t got;
    CHECK_OK(stream_read(t, &e.stream, data, sizeof(data), &got, test_in_ms(100)));
    CHECK_STR(str_make(data, got), "early");
    CHECK_ERR(stream_try_read(&e.stream, data, sizeof(data), &got), ERR_AGAIN);
    CHECK_ERR(stream_read(t, &e.stream, data, sizeof(data), &got, test_in_ms(100)), ERR_TIMEOUT);
    ends_close(&e);
    test_done();
}

TEST(an_edge_before_the_wait_is_not_lost)
{
    test_run(reads_what_came_before, NULL);
}

static void reads_to_the_end(struct task *t, void *arg)
{
    bool is_turned = *(bool *)arg;
    struct ends e;
    ends_open(&e);
    put(e.peer, STR("last words"));
    shutdown(e.peer, SHUT_WR);
    if (is_turned)
        CHECK_OK(task_sleep(t, 10));
    char data[64];
    size_t got;
    CHECK_OK(stream_read(t, &e.stream, data, sizeof(data), &got, INT64_MAX));
    CHECK_STR(str_make(data, got), "last words");
    CHECK_ERR(stream_read(t, &e.stream, data, sizeof(data), &got, INT64_MAX), ERR_CLOSED);
    CHECK_ERR(stream_read(t, &e.stream, data, sizeof(data), &got, INT64_MAX), ERR_CLOSED);
    ends_close(&e);
    test_done();
}

TEST(data_before_the_end_is_delivered_first)
{
    bool is_turned = false;
    test_run(reads_to_the_end, &is_turned);
    is_turned = true;
    test_run(reads_to_the_end, &is_turned);
}

static void reads_a_late_end(struct task *t, void *arg)
{
    (void)arg;
    struct ends e;
    ends_open(&e);
    put(e.peer, STR("x"));
    char data[64];
    size_t got;
    CHECK_OK(stream_read(t, &e.stream, data, sizeof(data), &got, INT64_MAX));
    struct task *reader = task_spawn_joinable(test_loop, "reader", reads_one, &e);
    CHECK_OK(task_sleep(t, 10));
    shutdown(e.peer, SHUT_WR);
    task_join(t, reader);
    CHECK_ERR(e.result, ERR_CLOSED);
    ends_close(&e);
    test_done();
}

TEST(an_end_after_a_short_read_wakes_the_reader)
{
    test_run(reads_a_late_end, NULL);
}

static void hears_of_half_close(struct task *t, void *arg)
{
    (void)arg;
    struct ends e;
    ends_open(&e);
    e.stream.on_gone = on_gone;
    e.stream.on_idle_input = on_input;
    CHECK_OK(task_sleep(t, 10));
    CHECK_EQ(e.gones, 0);
    shutdown(e.peer, SHUT_WR);
    CHECK_OK(task_sleep(t, 10));
    CHECK_EQ(e.gones, 1);
    CHECK_EQ(e.inputs, 0);
    CHECK(e.stream.is_peer_gone);
    stream_finish(&e.stream); /* closed both ways: a further event */
    CHECK_OK(task_sleep(t, 10));
    CHECK_EQ(e.gones, 1);
    ends_close(&e);
    test_done();
}

TEST(a_half_close_is_told_once)
{
    test_run(hears_of_half_close, NULL);
}

static void meets_a_reset(struct task *t, void *arg)
{
    (void)arg;
    struct ends e;
    ends_open(&e);
    e.stream.on_gone = on_gone;
    struct linger now = { .l_onoff = 1 };
    setsockopt(e.peer, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    struct task *reader = task_spawn_joinable(test_loop, "reader", reads_one, &e);
    CHECK_OK(task_sleep(t, 10));
    close(e.peer);
    task_join(t, reader);
    CHECK_ERR(e.result, ERR_IO);
    CHECK_EQ(e.stream.os_error, ECONNRESET);
    CHECK_EQ(e.gones, 1);
    CHECK_ERR(stream_write(t, &e.stream, STR("x"), INT64_MAX), ERR_IO);
    stream_close(&e.stream);
    test_done();
}

TEST(a_reset_is_an_error_not_an_end)
{
    test_run(meets_a_reset, NULL);
}

/* ---- writing ---- */

enum { LARGE = 4 << 20 };

struct transfer {
    struct stream from, to;
    bool from_scratch;
    size_t received;
    size_t wrong;
};

static char pattern(size_t i)
{
    return (char)('a' + i % 23);
}

static void receives(struct task *t, void *arg)
{
    struct transfer *x = arg;
    char *data = mem_alloc(10000);
    for (;;) {
        size_t got;
        enum err err = stream_read(t, &x->to, data, 10000, &got, INT64_MAX);
        if (err == ERR_CLOSED)
            break;
        CHECK_OK(err);
        for (size_t i = 0; i < got; i++)
            x->wrong += data[i] != pattern(x->received + i);
        x->received += got;
        /* Whoever runs may use the scratch. */
        memset(loop_scratch(test_loop), '#', LOOP_SCRATCH_BYTES);
    }
    mem_free(data);
}

static void send_scratch(struct task *t, struct transfer *x)
{
    for (size_t sent = 0; sent < LARGE; sent += LOOP_SCRATCH_BYTES) {
        char *scratch = loop_scratch(test_loop);
        for (size_t i = 0; i < LOOP_SCRATCH_BYTES; i++)
            scratch[i] = pattern(sent + i);
        struct iovec parts[] = { { scratch, 100 },
                                 { NULL, 0 },
                                 { scratch + 100, LOOP_SCRATCH_BYTES - 100 } };
        CHECK_OK(stream_writev(t, &x->from, parts, 3, INT64_MAX));
    }
}

static void transfers(struct task *t, void *arg)
{
    struct transfer *x = arg;
    int fds[2];
    tcp_pair(fds);
    CHECK_OK(stream_open_fd(&x->from, test_loop, fds[0]));
    CHECK_OK(stream_open_fd(&x->to, test_loop, fds[1]));
    struct task *receiver = task_spawn_joinable(test_loop, "receiver", receives, x);
    if (x->from_scratch) {
        send_scratch(t, x);
    } else {
        char *data = mem_alloc(LARGE);
        for (size_t i = 0; i < LARGE; i++)
            data[i] = pattern(i);
        CHECK_OK(stream_write(t, &x->from, str_make(data, LARGE), INT64_MAX));
        mem_free(data);
    }
    stream_finish(&x->from);
    task_join(t, receiver);
    stream_close(&x->from);
    stream_close(&x->to);
    test_done();
}

TEST(a_large_write_arrives_whole)
{
    struct transfer x = { 0 };
    test_run(transfers, &x);
    CHECK_EQ(x.received, LARGE);
    CHECK_EQ(x.wrong, 0);
}

TEST(writes_from_the_scratch_survive_their_waits)
{
    struct transfer x = { .from_scratch = true };
    test_run(transfers, &x);
    CHECK_EQ(x.received, LARGE);
    CHECK_EQ(x.wrong, 0);
}

static void writes_to_a_full_pipe(struct task *t, void *arg)
{
    (void)arg;
    struct ends e;
    ends_open(&e);
    char *data = mem_zalloc(LARGE * 4);
    struct str all = { data, LARGE * 4 };
    CHECK_ERR(stream_write(t, &e.stream, all, test_in_ms(50)), ERR_TIMEOUT);
    CHECK(!e.stream.writer);
    mem_free(data);
    ends_close(&e);
    test_done();
}

TEST(a_write_that_nobody_reads_ends_at_its_deadline)
{
    test_run(writes_to_a_full_pipe, NULL);
}

/* ---- stops ---- */

static void stops_a_reader(struct task *t, void *arg)
{
    (void)arg;
    struct ends e;
    ends_open(&e);
    struct task *reader = task_spawn_joinable(test_loop, "reader", reads_one, &e);
    CHECK_OK(task_sleep(t, 10));
    task_stop(reader, ERR_CLIENT_GONE);
    task_join(t, reader);
    CHECK_ERR(e.result, ERR_CLIENT_GONE);
    CHECK(!e.stream.reader);
    put(e.peer, STR("later"));
    reads_one(t, &e);
    CHECK_OK(e.result);
    CHECK_EQ(e.bytes, 5);
    ends_close(&e);
    test_done();
}

TEST(a_stopped_reader_leaves_the_stream_usable)
{
    test_run(stops_a_reader, NULL);
}

static void counts(struct task *t, void *arg)
{
    (void)t;
    ++*(int *)arg;
}

static void reads_without_rest(struct task *t, void *arg)
{
    (void)arg;
    int fds[2];
    tcp_pair(fds);
    struct stream from, to;
    CHECK_OK(stream_open_fd(&from, test_loop, fds[0]));
    CHECK_OK(stream_open_fd(&to, test_loop, fds[1]));
    int size = 4 << 20;
    setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    setsockopt(fds[1], SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    char *data = mem_zalloc(600 * 1024);
    CHECK_OK(stream_write(t, &from, str_make(data, 600 * 1024), INT64_MAX));
    CHECK_OK(task_sleep(t, 10));

    int turns = 0;
    task_spawn(test_loop, "other", counts, &turns);
    size_t total = 0;
    while (turns == 0) {
        size_t got;
        CHECK_OK(stream_read(t, &to, data, 4096, &got, test_in_ms(100)));
        total += got;
    }
    CHECK(total >= 256 * 1024 && total <= 256 * 1024 + 4096);
    mem_free(data);
    stream_close(&from);
    stream_close(&to);
    test_done();
}

TEST(a_stream_that_never_runs_dry_lets_others_have_a_turn)
{
    test_run(reads_without_rest, NULL);
}

/* ---- connecting ---- */

static void is_refused(struct task *t, void *arg)
{
    (void)arg;
    int port;
    close(listen_anywhere(&port));
    struct stream s;
    struct address a = loopback(port);
    CHECK_ERR(stream_connect(t, &s, &a, test_in_ms(1000)), ERR_IO);
    CHECK_EQ(s.os_error, ECONNREFUSED);
    char text[64];
    stream_error_text(&s, ERR_IO, text, sizeof(text));
    assert_string_equal(text, "Connection refused");
    CHECK(!s.is_open);
    stream_close(&s);
    test_done();
}

TEST(a_refused_connection_says_so)
{
    test_run(is_refused, NULL);
}

/* A listener whose queue is full lets connections hang. */
static int full_listener(int *port, int fillers[4])
{
    int fd = listen_anywhere(port);
    CHECK_EQ(listen(fd, 0), 0);
    struct address a = loopback(*port);
    for (int i = 0; i < 4; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        int unused = connect(fillers[i], &a.any, a.len);
        (void)unused;
    }
    return fd;
}

struct attempt {
    int port;
    enum err result;
};

static void connects(struct task *t, void *arg)
{
    struct attempt *a = arg;
    struct stream s;
    struct address to = loopback(a->port);
    a->result = stream_connect(t, &s, &to, test_in_ms(50));
    stream_close(&s);
}

static void connects_in_vain(struct task *t, void *arg)
{
    (void)arg;
    struct attempt a = { 0 };
    int fillers[4];
    int fd = full_listener(&a.port, fillers);
    connects(t, &a);
    CHECK_ERR(a.result, ERR_TIMEOUT);

    struct task *child = task_spawn_joinable(test_loop, "connects", connects, &a);
    CHECK_OK(task_yield(t));
    task_stop(child, ERR_CLIENT_GONE);
    task_join(t, child);
    CHECK_ERR(a.result, ERR_CLIENT_GONE);
    close(fd);
    for (int i = 0; i < 4; i++)
        close(fillers[i]);
    test_done();
}

TEST(a_connect_that_hangs_ends_by_deadline_or_stop)
{
    test_run(connects_in_vain, NULL);
}

RUN_TESTS(T(a_read_waits_until_bytes_come), T(an_edge_before_the_wait_is_not_lost),
          T(data_before_the_end_is_delivered_first), T(an_end_after_a_short_read_wakes_the_reader),
          T(a_half_close_is_told_once), T(a_reset_is_an_error_not_an_end),
          T(a_large_write_arrives_whole), T(writes_from_the_scratch_survive_their_waits),
          T(a_write_that_nobody_reads_ends_at_its_deadline),
          T(a_stopped_reader_leaves_the_stream_usable),
          T(a_stream_that_never_runs_dry_lets_others_have_a_turn), T(a_refused_connection_says_so),
          T(a_connect_that_hangs_ends_by_deadline_or_stop))

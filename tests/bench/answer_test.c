#include "test.h"

#include "answer.h"

static const char stream[] = "HTTP/1.1 100 Continue\r\n\r\n"
                             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
                             "a\r\ndata: 1\n\nd\r\n9\r\nata: 22\n\n\r\n7\r\ndata: 3\r\n2\r\n\n\n\r\n"
                             "0\r\nX-Trailer: 1\r\n\r\n";
static const char whole[] = "HTTP/1.1 429 Slow\r\ncontent-length: 5\r\n\r\nhello";

static struct answer read_in_steps(const char *text, size_t len, size_t step)
{
    struct answer a;
    answer_init(&a);
    for (size_t at = 0; at < len; at += step) {
        size_t part = len - at < step ? len - at : step;
        CHECK_EQ(answer_feed(&a, text + at, part), part);
    }
    return a;
}

TEST(any_split_gives_the_same_answer)
{
    for (size_t step = 1; step < sizeof(stream); step++) {
        struct answer a = read_in_steps(stream, sizeof(stream) - 1, step);
        CHECK_EQ(a.state, ANSWER_DONE);
        CHECK_EQ(a.status, 200);
        CHECK_EQ(a.events, 3);
        CHECK(a.is_closing);
        a = read_in_steps(whole, sizeof(whole) - 1, step);
        CHECK_EQ(a.state, ANSWER_DONE);
        CHECK_EQ(a.status, 429);
        CHECK(!a.is_closing);
    }
}

TEST(what_stands_behind_an_answer_is_not_taken)
{
    struct answer a;
    answer_init(&a);
    CHECK_EQ(answer_feed(&a, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP", 44), 40);
    CHECK_EQ(a.state, ANSWER_DONE);
}

TEST(what_is_not_an_answer_is_broken)
{
    static const char *const broken[] = {
        "SSH-2.0-x\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
    };
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        struct answer a;
        answer_init(&a);
        answer_feed(&a, broken[i], strlen(broken[i]));
        CHECK_EQ(a.state, ANSWER_BROKEN);
    }
}

RUN_TESTS(T(any_split_gives_the_same_answer), T(what_stands_behind_an_answer_is_not_taken),
          T(what_is_not_an_answer_is_broken))

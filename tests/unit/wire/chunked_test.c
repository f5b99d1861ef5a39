#include "test.h"

#include "wire/chunked.h"

/* Feeds the text in pieces of `step` bytes and gathers the data. */
static enum err decode(struct str text, size_t step, struct buf *out, struct chunked *c, size_t *behind)
{
    *c = (struct chunked) { 0 };
    buf_clear(out);
    while (text.len && !c->is_done) {
        struct str piece = str_first(text, step), data;
        size_t before = piece.len;
        do {
            enum err err = chunked_next(c, &piece, &data);
            if (err)
                return err;
            buf_add(out, data);
        } while (data.len);
        if (!c->is_done)
            CHECK_EQ(piece.len, 0);
        text = str_skip(text, before - piece.len);
    }
    *behind = text.len;
    return OK;
}

TEST(any_split_gives_the_same_data)
{
    struct str text = STR("5\r\nhello\r\n00A;name=\"v\";x\r\n0123456789\r\n0;e\r\nX-Sum: a b\r\nEmpty:\r\n\r\nGET /");
    struct buf out = { 0 };
    struct chunked c;
    for (size_t step = 1; step <= text.len; step++) {
        size_t behind;
        CHECK_OK(decode(text, step, &out, &c, &behind));
        CHECK(c.is_done);
        CHECK_EQ(behind, 5);
        CHECK_STR(buf_str(&out), "hello0123456789");
    }
    buf_fini(&out);
}

TEST(malformed_bodies_are_refused_at_any_split)
{
    static const char *const bad[] = {
        "\r\n", "g\r\n", "-1\r\n", "+1\r\n", " 1\r\na\r\n", "1 \r\na\r\n", "0x1\r\na\r\n", "1\na\r\n", "1\r\na\n",
        "1\r\nab\r\n", "1\r\na\rb", "1\r\na0\r\n", "1\ra\r\n", "\n1\r\n", "1;x\ny\r\n", "1;\x01\r\n", "1;x\rz\r\n",
        "1000000000000000\r\n", "0000000000000001\r\n", ";x\r\n", "0\r\nX\r\n", "0\r\n: a\r\n", "0\r\nX : a\r\n",
        "0\r\nX: a\n", "0\r\nX: a\rb", "0\r\n\n", "0\r\n\rx", "0\r\nX: a\r\n b\r\n\r\n", "0\r\nX: \x7F\r\n", "0\n\n",
        "0\r\n\xC3: a\r\n",
    };
    struct buf out = { 0 };
    struct chunked c;
    for (size_t i = 0; i < HZ_LEN(bad); i++) {
        for (size_t step = 1; step <= strlen(bad[i]); step++) {
            size_t behind;
            CHECK_ERR(decode(str_of(bad[i]), step, &out, &c, &behind), ERR_BAD_HTTP);
            struct str more = STR("0\r\n\r\n"), data;
            CHECK_ERR(chunked_next(&c, &more, &data), ERR_BAD_HTTP);
        }
    }
    buf_fini(&out);
}

TEST(an_early_end_is_not_done)
{
    struct str text = STR("1\r\na\r\n0\r\nX: y\r\n\r\n");
    struct buf out = { 0 };
    struct chunked c;
    for (size_t len = 0; len < text.len; len++) {
        size_t behind;
        CHECK_OK(decode(str_first(text, len), 3, &out, &c, &behind));
        CHECK(!c.is_done);
    }
    buf_fini(&out);
}

TEST(extensions_and_trailers_are_bounded_together)
{
    struct chunked c = { 0 };
    struct buf text = { 0 };
    enum err err = OK;
    int chunks = 0;
    buf_addf(&text, "1;%0100d\r\na\r\n", 0);
    while (!err && chunks < 1000) {
        struct str in = buf_str(&text), data;
        do {
            err = chunked_next(&c, &in, &data);
        } while (!err && data.len);
        chunks++;
    }
    CHECK_ERR(err, ERR_BAD_HTTP);
    CHECK_EQ(chunks, CHUNKED_EXTRA_MAX / 100 + 1);
    c = (struct chunked) { .extra_bytes = CHUNKED_EXTRA_MAX - 1 };
    struct str in = STR("0\r\nab"), data;
    CHECK_ERR(chunked_next(&c, &in, &data), ERR_BAD_HTTP);
    buf_fini(&text);
}

TEST(sizes_are_written_as_they_are_read)
{
    static const size_t sizes[] = { 1, 15, 16, 255, 256, 4096, 0xABCDEF, ((size_t)1 << 60) - 1 };
    for (size_t i = 0; i < HZ_LEN(sizes); i++) {
        char line[CHUNKED_SIZE_MAX];
        struct str in = str_make(line, chunked_write_size(line, sizes[i])), data;
        struct chunked c = { 0 };
        CHECK_OK(chunked_next(&c, &in, &data));
        CHECK(c.left == sizes[i] && in.len == 0);
    }
    char line[CHUNKED_SIZE_MAX];
    CHECK_EQ(chunked_write_size(line, SIZE_MAX), CHUNKED_SIZE_MAX);
    CHECK_STR(str_make(line, 18), "ffffffffffffffff\r\n");
}

RUN_TESTS(T(any_split_gives_the_same_data), T(malformed_bodies_are_refused_at_any_split),
          T(an_early_end_is_not_done), T(extensions_and_trailers_are_bounded_together),
          T(sizes_are_written_as_they_are_read))

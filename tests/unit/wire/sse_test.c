#include "test.h"

#include "wire/sse.h"

static void show(struct buf *out, const struct sse_event *e)
{
    buf_add(out, STR("["));
    if (e->type.at)
        buf_add(out, e->type);
    buf_add(out, e->has_data ? STR("=") : STR("-"));
    buf_add(out, e->data);
    buf_add(out, STR("]"));
}

/* Every piece on the heap by itself, freed at once, so that ASan sees text that is kept too long. */
static enum err read_in_steps(struct str text, size_t step, size_t limit, struct buf *out)
{
    struct sse_reader r = { .event_limit = limit };
    struct sse_event e;
    bool is_event;
    enum err err = OK;
    buf_clear(out);
    while (text.len && !err) {
        struct str piece = str_first(text, step);
        char *copy = mem_alloc(piece.len);
        memcpy(copy, piece.at, piece.len);
        struct str in = str_make(copy, piece.len);
        do {
            err = sse_next(&r, &in, &e, &is_event);
            if (!err && is_event)
                show(out, &e);
        } while (!err && is_event);
        if (!err)
            CHECK_EQ(in.len, 0);
        mem_free(copy);
        text = str_skip(text, step);
    }
    if (!err) {
        err = sse_finish(&r, &e, &is_event);
        if (is_event)
            show(out, &e);
    }
    sse_fini(&r);
    return err;
}

static void check_stream(struct str text, const char *expected)
{
    struct buf out = { 0 };
    for (size_t step = 1; step <= text.len; step++) {
        CHECK_OK(read_in_steps(text, step, 0, &out));
        CHECK_STR(buf_str(&out), expected);
    }
    buf_fini(&out);
}

TEST(events_come_out_the_same_for_every_split)
{
    check_stream(STR("data: {\"a\":1}\n\ndata: [DONE]\n\n"), "[={\"a\":1}][=[DONE]]");
    check_stream(STR("event: ping\r\ndata: x\r\n\r\ndata:y\r\rdata:  z\n\n"), "[ping=x][=y][= z]");
    check_stream(STR("data: 1\ndata\ndata: 3\n\n"), "[=1\n\n3]");
    check_stream(STR("data:\ndata\n\n"), "[=\n]");
    check_stream(STR("data: one line\rdata: and\r\ndata: another, longer than a vector\n\r\n"),
                 "[=one line\nand\nanother, longer than a vector]");
}

TEST(comments_blank_lines_and_unknown_fields_are_no_events)
{
    check_stream(STR("\n\r\n\r: hi\n\n:\n\nid: 7\nretry: 1\n\n\n\ndata: a\n: b\nfoo: c\n\n data: no\n\nDATA: no\n\n"), "[=a]");
    check_stream(STR("event: alone\n\n"), "[alone-]");
    check_stream(STR("data\n\n"), "[=]");
}

TEST(a_bom_counts_only_at_the_start)
{
    check_stream(STR("\xEF\xBB\xBF" "data: a\n\n\xEF\xBB\xBF" "data: b\n\n"), "[=a]");
    check_stream(STR("\n\xEF\xBB\xBF" "data: b\n\n"), "");
    check_stream(STR("\xEF\xBB\xBF\n\ndata: b\n\n"), "[=b]");
}

TEST(an_event_without_its_blank_line_is_found_at_the_end)
{
    check_stream(STR("data: a\n\ndata: b\n"), "[=a][=b]");
    check_stream(STR("data: a\n\ndata: b"), "[=a][=b]");
    check_stream(STR("data: a\n\n: c"), "[=a]");
}

TEST(the_limit_does_not_depend_on_the_split)
{
    struct buf out = { 0 };
    struct str text = STR("data: 56\n\ndata: 567\r\n\r\ndata: 5678\n\n");
    for (size_t step = 1; step <= text.len; step++) {
        CHECK_OK(read_in_steps(text, step, 12, &out));
        CHECK_ERR(read_in_steps(text, step, 11, &out), ERR_TOO_LARGE);
        CHECK_STR(buf_str(&out), "[=56]");
        CHECK_ERR(read_in_steps(str_first(text, 9), step, 8, &out), ERR_TOO_LARGE);
    }
    buf_fini(&out);
}

TEST(an_idle_reader_holds_no_memory)
{
    struct sse_reader r = { 0 };
    struct sse_event e;
    bool is_event;
    struct str in = STR("data: a\nda"), more = STR("ta: b\n\n");
    CHECK_OK(sse_next(&r, &in, &e, &is_event));
    CHECK(!is_event && r.rest.at != NULL);
    CHECK_OK(sse_next(&r, &more, &e, &is_event));
    CHECK(is_event);
    CHECK_STR(e.data, "a\nb");
    CHECK_OK(sse_next(&r, &more, &e, &is_event));
    CHECK(!is_event && r.rest.at == NULL && r.joined.at == NULL);
    sse_fini(&r);
}

TEST(an_event_in_one_piece_is_not_copied)
{
    struct sse_reader r = { 0 };
    struct sse_event e;
    bool is_event;
    struct str in = STR("data: abc\n\n"), whole = in;
    CHECK_OK(sse_next(&r, &in, &e, &is_event));
    CHECK(is_event && e.data.at == whole.at + 6);
    sse_fini(&r);
}

TEST(what_is_written_reads_back)
{
    struct buf b = { 0 };
    sse_write_data(&b, STR("{}"));
    sse_write_data(&b, STR(" x"));
    check_stream(buf_str(&b), "[={}][= x]");
    buf_fini(&b);
}

RUN_TESTS(T(events_come_out_the_same_for_every_split), T(comments_blank_lines_and_unknown_fields_are_no_events),
          T(a_bom_counts_only_at_the_start), T(an_event_without_its_blank_line_is_found_at_the_end),
          T(the_limit_does_not_depend_on_the_split), T(an_idle_reader_holds_no_memory),
          T(an_event_in_one_piece_is_not_copied), T(what_is_written_reads_back))

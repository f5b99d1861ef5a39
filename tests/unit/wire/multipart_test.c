#include "test.h"

#include "wire/multipart.h"

#include "multipart_forms.h"

static const char form_type[] = "multipart/form-data; boundary=bound";

static void show(struct buf *out, const struct multipart_event *e)
{
    if (e->kind == MULTIPART_PART) {
        buf_add(out, STR("<"));
        buf_add(out, e->name);
        if (e->filename.at) {
            buf_add(out, STR(" file="));
            buf_add(out, e->filename);
        }
        if (e->content_type.at) {
            buf_add(out, STR(" type="));
            buf_add(out, e->content_type);
        }
        buf_add(out, STR(">"));
    } else if (e->kind == MULTIPART_DATA) {
        CHECK(e->data.len > 0);
        buf_add(out, e->data);
    } else {
        CHECK_EQ(e->kind, MULTIPART_PART_END);
        buf_add(out, STR("</>"));
    }
}

/* Every piece on the heap by itself, freed at once, so that ASan sees text that is kept too long. */
static enum err feed(struct multipart *m, struct str piece, struct buf *out)
{
    char *copy = mem_alloc(piece.len);
    memcpy(copy, piece.at, piece.len);
    struct str in = str_make(copy, piece.len);
    struct multipart_event e;
    enum err err;
    do {
        err = multipart_next(m, &in, &e);
        if (!err && e.kind != MULTIPART_MORE)
            show(out, &e);
    } while (!err && e.kind != MULTIPART_MORE);
    CHECK(err ? e.kind == MULTIPART_MORE && !e.name.at : in.len == 0);
    mem_free(copy);
    return err;
}

struct reading {
    const char *type;
    struct str body;
    struct multipart_limits limits;
};

static enum err read_in_steps(const struct reading *r, size_t step, struct buf *out, struct fail *fail)
{
    struct multipart m;
    struct str body = r->body;
    buf_clear(out);
    fail_clear(fail);
    enum err err = multipart_init(&m, str_of(r->type), &r->limits, fail);
    for (; body.len && !err; body = str_skip(body, step))
        err = feed(&m, str_first(body, step), out);
    if (!err)
        err = multipart_end(&m);
    multipart_fini(&m);
    CHECK_EQ(fail->err, err);
    return err;
}

static void check_reading(const struct reading *r, const char *said)
{
    struct buf out = { 0 };
    struct fail fail;
    for (size_t step = 1; step <= r->body.len; step++) {
        CHECK_OK(read_in_steps(r, step, &out, &fail));
        CHECK_STR(buf_str(&out), said);
    }
    buf_fini(&out);
}

static void check_form(struct str body, const char *said)
{
    check_reading(&(struct reading) { form_type, body, MULTIPART_LIMITS }, said);
}

static void check_refused(const struct reading *r, enum err expected, const char *why)
{
    struct buf out = { 0 };
    struct fail fail;
    for (size_t step = 1; step <= r->body.len; step++) {
        CHECK_ERR(read_in_steps(r, step, &out, &fail), expected);
        if (str_find(str_of(fail.text), str_of(why)) == SIZE_MAX)
            CHECK_STR(str_of(fail.text), why);
    }
    buf_fini(&out);
}

TEST(forms_of_real_clients_are_read)
{
    for (size_t i = 0; i < HZ_LEN(client_forms); i++) {
        struct reading r = { client_forms[i].type, str_of(client_forms[i].body), MULTIPART_LIMITS };
        check_reading(&r, client_forms[i].said);
    }
}

TEST(one_line_end_may_stand_before_the_first_boundary)
{
    check_form(STR("\r\n" FIRST "x" LAST), "<a>x</>");
    check_form(STR("\r\n--bound--"), "");
}

TEST(the_last_boundary_needs_no_line_end_and_what_follows_is_ignored)
{
    check_form(STR(FIRST "x\r\n--bound--"), "<a>x</>");
    check_form(STR(FIRST "x" LAST "\r\n--bound\r\n" DISPOSITION "\r\ny" LAST), "<a>x</>");
}

TEST(what_only_looks_like_a_boundary_is_data)
{
    static const char *const data[] = {
        "",          "\r",          "\n",           "-",          "--",           "\r\n",        "\r\n-",
        "\r\n--",    "\r\n--boun",  "\r\r\n--boun", "--boun",     "--bouncy",     "\n--bound",   "\r--bound",
        "x--bound",  "\r\n\r\n",    "\r\n --bound", "\r\n-bound", "\r\n--Bound",  "bound",       "\r\n--\r\n--bou",
        "\r\n--bou\r\n--boun\r\n-", "\r\r\r\r\r",   "\r\n\r",     "\r\n---bound", "\r\n-\r\n--", "\r\n--bou\r",
    };
    struct buf body = { 0 }, said = { 0 };
    for (size_t i = 0; i < HZ_LEN(data); i++) {
        buf_clear(&body);
        buf_clear(&said);
        buf_addf(&body, FIRST "%s\r\n--bound\r\n" DISPOSITION "\r\n%s" LAST, data[i], data[i]);
        buf_addf(&said, "<a>%s</><a>%s</>%c", data[i], data[i], '\0');
        check_form(buf_str(&body), said.at);
    }
    buf_fini(&body);
    buf_fini(&said);
}

TEST(names_are_read_as_clients_write_them)
{
    static const struct {
        const char *params;
        const char *said;
    } names[] = {
        { "; name=a", "<a>" },
        { ";name=a;filename=b.c", "<a file=b.c>" },
        { " \t; \tNAME=\"a\" ; FileName=\"b\" \t", "<a file=b>" },
        { "; name=\"\"; filename=\"\"", "< file=>" },
        { "; filename=\"b\"; name=\"a\"", "<a file=b>" },
        { "; name=\"a; filename=\\\"b\\\"\"", "<a; filename=\"b\">" },
        { "; note=\"x; filename=evil\"; name=\"a\"; filename=\"safe\"", "<a file=safe>" },
        { "; size=1; name=\"a\"; creation-date=\"Wed, 12 Feb 1997\"", "<a>" },
        { ";; name=\"a\";", "<a>" },
        { "; name=\"%22%0D%0A\"", "<\"\r\n>" },
        { "; name=\"%0d%0a%20%25%2\"", "<%0d%0a%20%25%2>" },
        { "; name=\"100%0Applejuice\"", "<100\npplejuice>" },
        { "; name=\"%2%22%\"", "<%2\"%>" },
        { "; name=\"\\%22\"", "<\\\">" },
        { "; name=\"\\\"\\\\\"", "<\"\\>" },
        { "; name=\"\\\\\"", "<\\>" },
        { "; name=\"C:\\dir\\file\"", "<C:\\dir\\file>" },
        { "; name=\"a\"; filename=\"../../etc/passwd\"", "<a file=../../etc/passwd>" },
        { "; name=\"\xC3\xBC\xFF\"", "<\xC3\xBC\xFF>" },
    };
    struct buf body = { 0 }, said = { 0 };
    for (size_t i = 0; i < HZ_LEN(names); i++) {
        buf_clear(&body);
        buf_clear(&said);
        buf_addf(&body, "--bound\r\nContent-Disposition:Form-Data%s\r\n\r\n" LAST, names[i].params);
        buf_addf(&said, "%s</>%c", names[i].said, '\0');
        check_form(buf_str(&body), said.at);
    }
    buf_fini(&body);
    buf_fini(&said);
}

TEST(headers_that_mean_nothing_are_ignored)
{
    check_form(STR("--bound\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name=Abc\r\n"
                   "\r\nx\r\n--bound\r\nContent-Length: 7\r\n" DISPOSITION
                   "content-transfer-encoding: BINARY\r\ncontent-type:\r\nX:\r\nX:\r\n\r\ny" LAST),
               "<Abc type=text/plain; charset=utf-8>x</><a type=>y</>");
}

TEST(malformed_forms_are_refused_at_any_split)
{
    for (size_t i = 0; i < HZ_LEN(hostile_forms); i++) {
        struct reading r = { form_type, str_of(hostile_forms[i].body), MULTIPART_LIMITS };
        check_refused(&r, ERR_BAD_REQUEST, hostile_forms[i].why);
    }
}

TEST(an_early_end_is_an_error)
{
    struct str text = STR(FIRST "x\r\n--bound\r\n" DISPOSITION "\r\ny" LAST);
    struct buf out = { 0 };
    struct fail fail;
    for (size_t len = 0; len < text.len; len++) {
        struct reading r = { form_type, str_first(text, len), MULTIPART_LIMITS };
        bool is_whole = str_ends(r.body, STR("--bound--"));
        CHECK_ERR(read_in_steps(&r, 3, &out, &fail), is_whole ? OK : ERR_BAD_REQUEST);
    }
    buf_fini(&out);
}

TEST(content_types_without_one_good_boundary_are_refused)
{
#define TEN "0123456789"
    static const char *const good[] = {
        "multipart/form-data; boundary=bound",
        "Multipart/Form-Data;BOUNDARY=\"bound\"",
        "multipart/form-data ; charset=utf-8; boundary=\"bound\";",
    };
    static const char *const bad[] = {
        "",
        "multipart/form-data",
        "multipart/form-data;",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"\"",
        "multipart/form-data; boundary=\"bound \"",
        "multipart/form-data; boundary=bo und",
        "multipart/form-data; boundary=bo:und",
        "multipart/form-data; boundary=\"bound",
        "multipart/form-data; boundary=\"bo\\und\"",
        "multipart/form-data; boundary=bo#und",
        "multipart/form-data; boundary=bound\r\n",
        "multipart/form-data; boundary=bound\x7F",
        "multipart/form-data; boundary=\"bo\tund\"",
        "multipart/form-data; boundary=\"bo\xC3und\"",
        "multipart/form-data; boundary = bound",
        "multipart/form-data; boundary=bound; boundary=bound",
        "multipart/form-data; boundary=a; Boundary=bound",
        "multipart/form-data; boundary*=bound",
        "multipart/form-data; boundary*0=bound",
        "multipart/form-data, boundary=bound",
        "multipart/form-data boundary=bound",
        "multipart/form-data; boundary=\"" TEN TEN TEN TEN TEN TEN TEN "x\"",
        "multipart/mixed; boundary=bound",
        "multipart/form-datax; boundary=bound",
        "application/json; boundary=bound",
        "; boundary=bound",
    };
    for (size_t i = 0; i < HZ_LEN(good); i++)
        check_reading(&(struct reading) { good[i], STR(FIRST "x" LAST), MULTIPART_LIMITS }, "<a>x</>");
    for (size_t i = 0; i < HZ_LEN(bad); i++) {
        struct fail fail = { 0 };
        struct multipart m;
        CHECK_ERR(multipart_init(&m, str_of(bad[i]), &MULTIPART_LIMITS, &fail), ERR_BAD_REQUEST);
        CHECK(fail.err == ERR_BAD_REQUEST && fail.text[0]);
        multipart_fini(&m);
    }
}

TEST(a_boundary_may_have_every_character_of_its_set)
{
    static const char most[] = "AZ az09'()+_,-./:=?" TEN TEN TEN TEN TEN "x";
    struct buf type = { 0 }, body = { 0 };
    CHECK_EQ(strlen(most), MULTIPART_BOUNDARY_MAX);
    buf_addf(&type, "multipart/form-data; boundary=\"%s\"%c", most, '\0');
    buf_addf(&body, "--%s\r\n" DISPOSITION "\r\n\r\n--%.69s\r\n--%s--", most, most, most);
    buf_addf(&body, "%c", '\0');
    struct reading r = { type.at, str_first(buf_str(&body), body.len - 1), MULTIPART_LIMITS };
    struct buf said = { 0 };
    buf_addf(&said, "<a>\r\n--%.69s</>%c", most, '\0');
    check_reading(&r, said.at);
    buf_fini(&type);
    buf_fini(&body);
    buf_fini(&said);
}

TEST(limits_hold_at_any_split)
{
    struct str body = STR("--bound\r\nX:\r\n" DISPOSITION "\r\nx\r\n--bound\r\n" DISPOSITION "\r\ny" LAST "12345");
    struct multipart_limits exact = {
        .head_bytes = strlen("X:\r\n" DISPOSITION "\r\n"), .headers = 2, .parts = 2, .epilogue_bytes = 5
    };
    struct reading r = { form_type, body, exact };
    check_reading(&r, "<a>x</><a>y</>");
    r.limits.head_bytes--;
    check_refused(&r, ERR_TOO_LARGE, "a head of more bytes than 47");
    r.limits = exact;
    r.limits.headers--;
    check_refused(&r, ERR_TOO_LARGE, "more headers than 1");
    r.limits = exact;
    r.limits.parts--;
    check_refused(&r, ERR_TOO_LARGE, "more parts than 1");
    r.limits = exact;
    r.limits.epilogue_bytes--;
    check_refused(&r, ERR_TOO_LARGE, "more bytes behind its end than 4");
}

TEST(a_head_that_does_not_end_is_held_up_to_its_limit)
{
    struct fail fail = { 0 };
    struct multipart m;
    struct multipart_event e;
    struct str begin = STR("--bound\r\nX: "), more = STR("aaaaaaaaaaaaaaaa");
    CHECK_OK(multipart_init(&m, str_of(form_type), &MULTIPART_LIMITS, &fail));
    enum err err = multipart_next(&m, &begin, &e);
    for (int i = 0; !err && i < 10000; i++) {
        struct str in = more;
        err = multipart_next(&m, &in, &e);
        CHECK(m.head.len <= 8192);
    }
    CHECK_ERR(err, ERR_TOO_LARGE);
    multipart_fini(&m);
}

TEST(data_is_neither_copied_nor_cut_at_line_ends)
{
    struct fail fail = { 0 };
    struct multipart m;
    struct multipart_event e;
    struct str head = STR(FIRST), in = STR("\r\n\r\n--bo\r\r\nline\n\r\n-"), text = in;
    struct str more = STR("\r\n--boun"), start = more;
    CHECK_OK(multipart_init(&m, str_of(form_type), &MULTIPART_LIMITS, &fail));
    CHECK_OK(multipart_next(&m, &head, &e));
    CHECK_EQ(e.kind, MULTIPART_PART);
    CHECK_STR(e.name, "a");
    CHECK_OK(multipart_next(&m, &in, &e));
    CHECK(e.kind == MULTIPART_DATA && e.data.at == text.at && e.data.len == text.len - 3);
    CHECK_EQ(in.len, 0);
    /* What began a boundary and does not go on comes from the struct. */
    CHECK_OK(multipart_next(&m, &more, &e));
    CHECK(e.kind == MULTIPART_DATA && e.data.at == m.delimiter && e.data.len == 3);
    CHECK(more.at == start.at);
    CHECK_OK(multipart_next(&m, &more, &e));
    CHECK(e.kind == MULTIPART_MORE && more.len == 0 && m.matched == start.len);
    multipart_fini(&m);
}

TEST(an_error_stands)
{
    struct fail fail = { 0 };
    struct multipart m;
    struct multipart_event e;
    struct str in = STR("x"), good = STR(FIRST "x" LAST);
    CHECK_OK(multipart_init(&m, str_of(form_type), &MULTIPART_LIMITS, &fail));
    CHECK_ERR(multipart_next(&m, &in, &e), ERR_BAD_REQUEST);
    CHECK_ERR(multipart_next(&m, &good, &e), ERR_BAD_REQUEST);
    CHECK_ERR(multipart_end(&m), ERR_BAD_REQUEST);
    multipart_fini(&m);
    CHECK_ERR(multipart_init(&m, STR("text/plain"), &MULTIPART_LIMITS, &fail), ERR_BAD_REQUEST);
    CHECK_ERR(multipart_next(&m, &good, &e), ERR_BAD_REQUEST);
    CHECK_ERR(multipart_end(&m), ERR_BAD_REQUEST);
    multipart_fini(&m);
    multipart_fini(NULL);
}

RUN_TESTS(T(forms_of_real_clients_are_read), T(one_line_end_may_stand_before_the_first_boundary),
          T(the_last_boundary_needs_no_line_end_and_what_follows_is_ignored), T(what_only_looks_like_a_boundary_is_data),
          T(names_are_read_as_clients_write_them), T(headers_that_mean_nothing_are_ignored),
          T(malformed_forms_are_refused_at_any_split), T(an_early_end_is_an_error),
          T(content_types_without_one_good_boundary_are_refused), T(a_boundary_may_have_every_character_of_its_set),
          T(limits_hold_at_any_split), T(a_head_that_does_not_end_is_held_up_to_its_limit),
          T(data_is_neither_copied_nor_cut_at_line_ends), T(an_error_stands))

#include "test.h"

#include "wire/base64.h"

TEST(the_vectors_of_the_rfc_go_both_ways)
{
    static const char *const vectors[][2] = {
        { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" },
        { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" }, { "\xFF\xFE\xFB", "//77" },
    };
    for (size_t i = 0; i < HZ_LEN(vectors); i++) {
        struct buf b = { 0 };
        base64_encode(str_of(vectors[i][0]), &b);
        CHECK_STR(buf_str(&b), vectors[i][1]);
        buf_clear(&b);
        CHECK_OK(base64_decode(str_of(vectors[i][1]), &b));
        CHECK_STR(buf_str(&b), vectors[i][0]);
        buf_fini(&b);
    }
}

TEST(every_byte_survives_at_every_length)
{
    char bytes[256];
    for (int i = 0; i < 256; i++)
        bytes[i] = (char)(i * 167);
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        struct buf text = { 0 }, back = { 0 };
        base64_encode(str_make(bytes, len), &text);
        CHECK_OK(base64_decode(buf_str(&text), &back));
        CHECK(str_eq(buf_str(&back), str_make(bytes, len)));
        buf_fini(&text);
        buf_fini(&back);
    }
}

TEST(what_is_not_canonical_is_refused_and_adds_nothing)
{
    static const char *const bad[] = {
        "Z", "Zg", "Zg=", "Zh==", "Zm9=", "Zg===", "====", "=", "A===", "Zg==Zg==", "Zm9v\n", "Zm9 ", "Zm-_",
        "Zm9v====", "Z=g=", "Zm9\xC3", "Zm9vZh==",
    };
    for (size_t i = 0; i < HZ_LEN(bad); i++) {
        struct buf b = { 0 };
        CHECK_ERR(base64_decode(str_of(bad[i]), &b), ERR_BAD_REQUEST);
        CHECK_EQ(b.len, 0);
        buf_fini(&b);
    }
}

RUN_TESTS(T(the_vectors_of_the_rfc_go_both_ways), T(every_byte_survives_at_every_length),
          T(what_is_not_canonical_is_refused_and_adds_nothing))

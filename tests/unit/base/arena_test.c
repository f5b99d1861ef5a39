#include "test.h"

#include "base/arena.h"

TEST(outside_sizes_stop_at_the_limit)
{
    struct arena a;
    arena_init(&a, 10000);
    CHECK(arena_try_alloc(&a, 6000) != NULL);
    CHECK(arena_try_alloc(&a, 6000) == NULL);
    CHECK(arena_try_alloc(&a, SIZE_MAX) == NULL);
    CHECK(arena_try_alloc(&a, 3000) != NULL);
    arena_fini(&a);
}

TEST(memory_is_aligned_distinct_and_survives_large_neighbours)
{
    struct arena a = { 0 };
    char *small[200];
    for (int i = 0; i < 200; i++) {
        small[i] = arena_alloc(&a, 33);
        CHECK_EQ((uintptr_t)small[i] % 16, 0);
        memset(small[i], i, 33);
        if (i % 20 == 0)
            memset(arena_alloc(&a, 100000), 0xFF, 100000);
    }
    for (int i = 0; i < 200; i++) {
        for (int j = 0; j < 33; j++)
            CHECK_EQ((unsigned char)small[i][j], i);
    }
    arena_fini(&a);
    CHECK(a.blocks == NULL && a.used_bytes == 0);
}

TEST(text_is_copied_and_terminated)
{
    struct arena a = { 0 };
    char source[] = "abc";
    struct str copy = arena_str(&a, str_of(source));
    source[0] = 'x';
    assert_string_equal(copy.at, "abc");
    CHECK_STR(arena_printf(&a, "%d-%s", 7, "z"), "7-z");
    arena_fini(&a);
}

RUN_TESTS(T(outside_sizes_stop_at_the_limit),
          T(memory_is_aligned_distinct_and_survives_large_neighbours),
          T(text_is_copied_and_terminated))

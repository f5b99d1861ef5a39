#include "test.h"

#include "base/map.h"

TEST(removal_keeps_every_other_key_reachable)
{
    struct map m = { 0 };
    static int values[1000];
    char key[32];
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "key-%d", i);
        CHECK(map_put(&m, str_of(key), &values[i]) == NULL);
    }
    for (int i = 0; i < 1000; i += 3) {
        snprintf(key, sizeof(key), "key-%d", i);
        CHECK(map_remove(&m, str_of(key)) == &values[i]);
    }
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "key-%d", i);
        CHECK(map_get(&m, str_of(key)) == (i % 3 ? &values[i] : NULL));
    }
    CHECK_EQ(m.len, 666);
    map_fini(&m);
}

TEST(put_replaces_and_returns_the_old_value)
{
    struct map m = { 0 };
    int a, b;
    CHECK(map_put(&m, STR("k"), &a) == NULL);
    CHECK(map_put(&m, STR("k"), &b) == &a);
    CHECK(map_get(&m, STR("k")) == &b);
    CHECK(map_remove(&m, STR("none")) == NULL);
    CHECK_EQ(m.len, 1);
    map_fini(&m);
}

RUN_TESTS(T(removal_keeps_every_other_key_reachable), T(put_replaces_and_returns_the_old_value))

#include "test.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/id.h"

enum { PER_THREAD = 50000, THREADS = 4 };

static int64_t drawn[THREADS][PER_THREAD];

static void *draw(void *arg)
{
    int64_t *out = arg;
    for (int i = 0; i < PER_THREAD; i++)
        out[i] = id_next();
    return NULL;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

TEST(ids_grow_and_never_repeat_across_threads)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, draw, drawn[i]);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int t = 0; t < THREADS; t++) {
        for (int i = 1; i < PER_THREAD; i++)
            CHECK(drawn[t][i] > drawn[t][i - 1]);
    }
    int64_t *all = &drawn[0][0];
    qsort(all, THREADS * PER_THREAD, sizeof(*all), compare);
    for (int i = 1; i < THREADS * PER_THREAD; i++)
        CHECK(all[i] != all[i - 1]);
}

TEST(ids_tell_their_node_and_time)
{
    id_set_node(7);
    int64_t id = id_next();
    CHECK_EQ(id >> 14 & 255, 7);
    int64_t now = clock_wall_ms();
    CHECK(id_wall_ms(id) <= now + 1000 && id_wall_ms(id) > now - 60000);
    char text[ID_HEX_LEN + 1];
    id_format(0x0123456789abcdef, text);
    assert_string_equal(text, "0123456789abcdef");
}

TEST(ids_stay_above_the_floor_and_keep_their_node)
{
    int64_t floor = (id_next() + (1LL << 40)) | 0x3FFF;
    id_set_floor(floor);
    int64_t id = id_next();
    CHECK(id > floor);
    CHECK_EQ(id >> 14 & 255, 7);
}

RUN_TESTS(T(ids_grow_and_never_repeat_across_threads), T(ids_tell_their_node_and_time),
          T(ids_stay_above_the_floor_and_keep_their_node))

#include "test.h"

#include "ledger/price.h"

#define USD 1000000000LL

/* gpt-4o: $2.50, $10, cached $1.25 per million. */
static const struct price gpt_4o = { 5 * USD / 2, 10 * USD, 5 * USD / 4 };

static int64_t cost(const struct price *price, int64_t input, int64_t cached, int64_t output)
{
    struct usage usage = { .input_tokens = input,
                           .cached_tokens = cached,
                           .output_tokens = output };
    return price_cost(price, &usage);
}

TEST(golden_costs_are_exact)
{
    CHECK_EQ(cost(&gpt_4o, 1000, 0, 500), 7500000);   /* $0.0075 */
    CHECK_EQ(cost(&gpt_4o, 1000, 600, 500), 6750000); /* 400 + 600 cached */
    CHECK_EQ(cost(&gpt_4o, 1, 0, 0), 2500);
    CHECK_EQ(cost(&gpt_4o, 1000000, 0, 1000000), 12500000000); /* $12.50 */
    const struct price phi = { 125000000, 500000000, PRICE_NONE };
    CHECK_EQ(cost(&phi, 123, 0, 45), 15375 + 22500);
    const struct price embedding = { 20000000, 0, PRICE_NONE };
    CHECK_EQ(cost(&embedding, 3, 0, 0), 60);
    CHECK_EQ(cost(&gpt_4o, 0, 0, 0), 0);
}

TEST(each_class_is_rounded_half_up_by_itself)
{
    /* $0.0375 per million is 37.5 nano-dollars a token. */
    const struct price mini = { 75000000, 300000000, 37500000 };
    CHECK_EQ(cost(&mini, 1, 1, 0), 38);
    CHECK_EQ(cost(&mini, 3, 3, 0), 113);
    CHECK_EQ(cost(&mini, 4, 3, 0), 75 + 113);
    const struct price tiny = { 499999, 500000, 500000 };
    CHECK_EQ(cost(&tiny, 1, 0, 0), 0);
    CHECK_EQ(cost(&tiny, 1, 0, 1), 1);
    CHECK_EQ(cost(&tiny, 2, 1, 1), 2); /* 0 + 1 + 1: the sum of 1.499999 would be 1 */
}

TEST(cached_tokens_cost_as_input_when_no_price_says_otherwise)
{
    const struct price plain = { USD, 2 * USD, PRICE_NONE };
    CHECK_EQ(cost(&plain, 10, 4, 0), 10000);
    const struct price free_cache = { USD, 2 * USD, 0 };
    CHECK_EQ(cost(&free_cache, 10, 4, 0), 6000);
}

TEST(nonsense_usage_costs_no_less_than_nothing)
{
    CHECK_EQ(cost(&gpt_4o, 10, 20, 0), 12500);
    CHECK_EQ(cost(&gpt_4o, -5, -5, -5), 0);
}

TEST(products_beyond_64_bits_are_exact_and_saturate)
{
    const struct price dear = { USD * USD, USD * USD, PRICE_NONE }; /* $1,000 a token */
    CHECK_EQ(cost(&dear, 9000000, 0, 0), 9000000LL * 1000 * USD);
    CHECK_EQ(cost(&dear, INT64_MAX, 0, INT64_MAX), INT64_MAX);
    const struct price one = { 1, 1, PRICE_NONE };
    CHECK_EQ(cost(&one, INT64_MAX, 0, 0), 9223372036855LL);
}

TEST(without_a_price_nothing_is_charged)
{
    const struct price none = { PRICE_NONE, PRICE_NONE, PRICE_NONE };
    CHECK_EQ(cost(&none, 1000, 0, 1000), 0);
}

RUN_TESTS(T(golden_costs_are_exact), T(each_class_is_rounded_half_up_by_itself),
          T(cached_tokens_cost_as_input_when_no_price_says_otherwise),
          T(nonsense_usage_costs_no_less_than_nothing),
          T(products_beyond_64_bits_are_exact_and_saturate), T(without_a_price_nothing_is_charged))

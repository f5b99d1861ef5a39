#include "http/peers.h"

#include "test.h"

static struct address at(const char *text, int port)
{
    struct address a;
    CHECK(address_parse(str_of(text), port, &a));
    return a;
}

TEST(an_address_is_held_to_its_limit_whatever_its_port)
{
    struct peers *p = peers_create((struct peers_limits) { .an_address = 2 });
    struct address first = at("192.0.2.1", 1), second = at("192.0.2.1", 2), other = at("192.0.2.2", 1);
    CHECK(peers_enter(p, &first));
    CHECK(peers_enter(p, &second));
    CHECK(!peers_enter(p, &first));
    CHECK(peers_enter(p, &other));
    peers_leave(p, &second);
    CHECK(peers_enter(p, &first));
    CHECK(!peers_enter(p, &second));
    peers_leave(p, &first);
    peers_leave(p, &first);
    peers_leave(p, &other);
    peers_destroy(p);
}

TEST(all_together_are_held_to_a_limit)
{
    struct peers *p = peers_create((struct peers_limits) { .in_all = 2, .an_address = 2 });
    struct address one = at("192.0.2.1", 1), two = at("192.0.2.2", 1), three = at("192.0.2.3", 1);
    CHECK(peers_enter(p, &one));
    CHECK(peers_enter(p, &two));
    CHECK(!peers_enter(p, &three));
    peers_leave(p, &one);
    CHECK(peers_enter(p, &three));
    peers_leave(p, &two);
    peers_leave(p, &three);
    peers_destroy(p);
}

TEST(a_network_of_ipv6_counts_as_one_and_a_mapped_address_as_ipv4)
{
    struct peers *p = peers_create((struct peers_limits) { .an_address = 1 });
    struct address one = at("2001:db8:1:2::1", 1), same = at("2001:db8:1:2:ffff::9", 1);
    struct address other = at("2001:db8:1:3::1", 1);
    struct address plain = at("192.0.2.1", 1), mapped = at("::ffff:192.0.2.1", 1);
    CHECK(peers_enter(p, &one));
    CHECK(!peers_enter(p, &same));
    CHECK(peers_enter(p, &other));
    CHECK(peers_enter(p, &plain));
    CHECK(!peers_enter(p, &mapped));
    peers_leave(p, &one);
    peers_leave(p, &other);
    peers_leave(p, &mapped);
    peers_destroy(p);
}

TEST(a_changed_limit_holds_for_those_that_come)
{
    struct peers *p = peers_create((struct peers_limits) { .an_address = 0 });
    struct address a = at("192.0.2.1", 1);
    for (int i = 0; i < 3; i++)
        CHECK(peers_enter(p, &a));
    peers_limit(p, (struct peers_limits) { .an_address = 2 });
    CHECK(!peers_enter(p, &a));
    peers_leave(p, &a);
    CHECK(!peers_enter(p, &a));
    peers_leave(p, &a);
    CHECK(peers_enter(p, &a));
    peers_limit(p, (struct peers_limits) { .an_address = 0 });
    CHECK(peers_enter(p, &a));
    for (int i = 0; i < 3; i++)
        peers_leave(p, &a);
    peers_destroy(p);
}

RUN_TESTS(T(an_address_is_held_to_its_limit_whatever_its_port),
          T(all_together_are_held_to_a_limit),
          T(a_network_of_ipv6_counts_as_one_and_a_mapped_address_as_ipv4),
          T(a_changed_limit_holds_for_those_that_come))

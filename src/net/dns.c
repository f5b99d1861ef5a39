#include "net/dns.h"

#include <ares.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"

enum {
    NAME_MAX_BYTES = 253, /* RFC 1035 §3.1, as text */
    CACHE_MAX = 1024,
    TTL_MIN_S = 1,
    TTL_MAX_S = 300,
    TTL_NEGATIVE_S = 1,
    TRY_MS = 1500,
    TRIES = 2,
    READS_PER_EVENT = 64,
};

struct waiter {
    struct task *task;
    struct waiter *next;
};

struct entry {
    struct resolver *resolver;
    char *name;
    struct dns_answer answer;
    enum err err;
    bool is_asking;
    int64_t fresh_until_ns;
    size_t users; /* tasks that will look at this entry when they run again */
    struct waiter *waiters;
};

struct dns_socket {
    struct watch watch;
    struct resolver *resolver;
    struct dns_socket *next;
};

struct resolver {
    struct loop *loop;
    ares_channel channel;
    struct dns_socket *sockets;
    struct timer timer;
    struct map entries; /* by name in lower case */
};

static pthread_once_t library_once = PTHREAD_ONCE_INIT;

static void library_init(void)
{
    HZ_ASSERT(ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS);
}

/* ---- c-ares on the loop ---- */

static void arm_timer(struct resolver *r)
{
    struct timeval tv;
    if (!ares_timeout(r->channel, NULL, &tv)) {
        timer_cancel(r->loop, &r->timer);
        return;
    }
    int64_t after_ns = (int64_t)tv.tv_sec * NS_PER_S + (int64_t)tv.tv_usec * 1000;
    timer_set(r->loop, &r->timer, loop_now_ns(r->loop) + HZ_MAX(after_ns, NS_PER_MS));
}

static void on_time(struct timer *timer)
{
    struct resolver *r = HZ_CONTAINER_OF(timer, struct resolver, timer);
    ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    arm_timer(r);
}

static struct dns_socket **find_socket(struct resolver *r, int fd)
{
    struct dns_socket **place = &r->sockets;
    while (*place && (*place)->watch.fd != fd)
        place = &(*place)->next;
    return place;
}

static void on_ready(struct watch *w, uint32_t ready)
{
    struct resolver *r = HZ_CONTAINER_OF(w, struct dns_socket, watch)->resolver;
    int fd = w->fd;
    ares_socket_t out = ready & (EPOLLOUT | EPOLLHUP | EPOLLERR) ? fd : ARES_SOCKET_BAD;
    ares_process_fd(r->channel, fd, out);
    /* c-ares reads from TCP a piece at a time, and the next edge comes only when drained. */
    for (int i = 0; i < READS_PER_EVENT && *find_socket(r, fd); i++) {
        char byte;
        if (recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0)
            break;
        ares_process_fd(r->channel, fd, ARES_SOCKET_BAD);
    }
    arm_timer(r);
}

/* c-ares says what it wants of a socket; neither means that it is about to close it. */
static void on_socket_state(void *arg, ares_socket_t fd, int wants_read, int wants_write)
{
    struct resolver *r = arg;
    struct dns_socket **place = find_socket(r, fd);
    struct dns_socket *s = *place;
    if (!wants_read && !wants_write) {
        if (!s)
            return;
        loop_unwatch(r->loop, &s->watch);
        *place = s->next;
        mem_free(s);
        return;
    }
    if (s)
        return;
    s = MEM_NEW(struct dns_socket);
    s->resolver = r;
    s->watch =
        (struct watch) { .fd = fd, .events = EPOLLIN | EPOLLOUT | EPOLLET, .on_ready = on_ready };
    s->next = r->sockets;
    r->sockets = s;
    /* Unwatched, the lookup ends by c-ares' own time-out. */
    if (loop_watch(r->loop, &s->watch) != OK)
        arm_timer(r);
}

enum err resolver_create(struct loop *l, struct resolver **out)
{
    pthread_once(&library_once, library_init);
    struct resolver *r = MEM_NEW(struct resolver);
    r->loop = l;
    r->timer.on_time = on_time;
    char lookups[] = "fb"; /* the hosts file first */
    struct ares_options options = {
        .timeout = TRY_MS,
        .tries = TRIES,
        .lookups = lookups,
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = r,
    };
    int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB;
    if (ares_init_options(&r->channel, &options, mask) != ARES_SUCCESS) {
        mem_free(r);
        return ERR_DNS;
    }
    *out = r;
    return OK;
}

static void entry_free(struct entry *e)
{
    HZ_ASSERT(e->users == 0 && !e->is_asking);
    mem_free(e->name);
    mem_free(e);
}

void resolver_destroy(struct resolver *r)
{
    if (!r)
        return;
    ares_destroy(r->channel);
    timer_cancel(r->loop, &r->timer);
    for (struct map_entry *m = NULL; (m = map_next(&r->entries, m));)
        entry_free(m->value);
    map_fini(&r->entries);
    mem_free(r);
}

enum err resolver_set_servers(struct resolver *r, struct str servers)
{
    if (servers.len == 0)
        return OK;
    char *text = str_dup(servers);
    int status = ares_set_servers_ports_csv(r->channel, text);
    mem_free(text);
    return status == ARES_SUCCESS ? OK : ERR_DNS;
}

/* ---- cache ---- */

static void keep_addresses(struct entry *e, const struct ares_addrinfo *found)
{
    int ttl_s = TTL_MAX_S;
    e->answer.len = 0;
    for (struct ares_addrinfo_node *n = found->nodes; n; n = n->ai_next) {
        if (e->answer.len == DNS_ADDRESSES_MAX || n->ai_addrlen > sizeof(struct sockaddr_in6))
            continue;
        struct address *a = &e->answer.addresses[e->answer.len++];
        memcpy(&a->any, n->ai_addr, n->ai_addrlen);
        a->len = n->ai_addrlen;
        ttl_s = HZ_MIN(ttl_s, n->ai_ttl);
    }
    ttl_s = HZ_MAX(ttl_s, TTL_MIN_S);
    e->err = e->answer.len ? OK : ERR_DNS;
    e->answer.why = e->answer.len ? NULL : "the name has no address";
    e->fresh_until_ns = loop_now_ns(e->resolver->loop) + ttl_s * NS_PER_S;
}

static void on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *found)
{
    (void)timeouts;
    struct entry *e = arg;
    struct loop *l = e->resolver->loop;
    e->is_asking = false;
    loop_external_end(l);
    if (status == ARES_SUCCESS) {
        keep_addresses(e, found);
    } else {
        e->err = ERR_DNS;
        e->answer = (struct dns_answer) { .why = ares_strerror(status) };
        e->fresh_until_ns = loop_now_ns(l) + TTL_NEGATIVE_S * NS_PER_S;
    }
    if (found)
        ares_freeaddrinfo(found);
    for (struct waiter *w = e->waiters; w; w = w->next)
        task_wake(w->task, OK);
}

static void ask(struct entry *e)
{
    struct resolver *r = e->resolver;
    struct ares_addrinfo_hints hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
    e->is_asking = true;
    /* A virtual clock must not jump over an answer that is on its way. */
    loop_external_begin(r->loop);
    ares_getaddrinfo(r->channel, e->name, NULL, &hints, on_answer, e);
    arm_timer(r);
}

/* Names come from the configuration and from webhooks, so the cache has a bound. */
static void make_room(struct resolver *r)
{
    if (r->entries.len < CACHE_MAX)
        return;
    for (struct map_entry *m = NULL; (m = map_next(&r->entries, m));) {
        struct entry *e = m->value;
        if (e->users || e->is_asking)
            continue;
        map_remove(&r->entries, str_of(e->name));
        entry_free(e);
        return;
    }
}

static struct entry *entry_for(struct resolver *r, struct str host)
{
    char name[NAME_MAX_BYTES + 1];
    for (size_t i = 0; i < host.len; i++) {
        char c = host.at[i];
        name[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
    }
    name[host.len] = '\0';
    struct str key = { name, host.len };
    struct entry *e = map_get(&r->entries, key);
    if (!e) {
        make_room(r);
        e = MEM_NEW(struct entry);
        e->resolver = r;
        e->name = mem_strdup(name);
        map_put(&r->entries, key, e);
    }
    return e;
}

/* Until the lookup under way has ended. */
static enum err join(struct task *t, struct entry *e, int64_t deadline_ns)
{
    struct waiter self = { .task = t, .next = e->waiters };
    e->waiters = &self;
    enum err err = task_wait(t, deadline_ns);
    struct waiter **place = &e->waiters;
    while (*place != &self)
        place = &(*place)->next;
    *place = self.next;
    return err;
}

enum err dns_lookup(struct task *t, struct resolver *r, struct str host, int port,
                    struct dns_answer *out, int64_t deadline_ns)
{
    *out = (struct dns_answer) { 0 };
    if (address_parse(host, port, &out->addresses[0])) {
        out->len = 1;
        return OK;
    }
    if (host.len == 0 || host.len > NAME_MAX_BYTES || str_find_char(host, '\0') != SIZE_MAX) {
        out->why = "this is not a host name";
        return ERR_DNS;
    }

    struct entry *e = entry_for(r, host);
    enum err err = OK;
    e->users++;
    if (!e->is_asking && loop_now_ns(r->loop) >= e->fresh_until_ns)
        ask(e);
    while (!err && e->is_asking)
        err = join(t, e, deadline_ns);
    e->users--;
    if (err)
        return err;

    *out = e->answer;
    for (size_t i = 0; i < out->len; i++)
        address_set_port(&out->addresses[i], port);
    return e->err;
}

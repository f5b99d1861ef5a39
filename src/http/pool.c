#include "http/pool.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/dns.h"
#include "net/tls.h"

enum {
    IDLE_MS_DEFAULT = 55000,
    IDLE_PER_ORIGIN_DEFAULT = 512,
    ORIGINS_MAX = 256,     /* beyond it unused ones are dropped */
    KEPT_INPUT_MAX = 4096, /* buffers above this are not kept with their connection */
};

static void on_time(struct timer *timer);

struct http_client *http_client_create(struct loop *l, const struct http_client_options *options)
{
    struct http_client *c = MEM_NEW(struct http_client);
    c->loop = l;
    c->options = *options;
    c->timer.on_time = on_time;
    if (c->options.idle_ms == 0)
        c->options.idle_ms = IDLE_MS_DEFAULT;
    if (c->options.idle_per_origin == 0)
        c->options.idle_per_origin = IDLE_PER_ORIGIN_DEFAULT;
    return c;
}

size_t http_client_open_connections(const struct http_client *c)
{
    return c->open;
}

/* ---- origins ---- */

static void origin_free(struct origin *o)
{
    HZ_ASSERT(o->open == 0);
    SSL_SESSION_free(o->session);
    SSL_CTX_free(o->tls);
    mem_free(o->host);
    mem_free(o->ca_file);
    mem_free(o->host_field);
    mem_free(o);
}

static bool is_same(const struct origin *o, const struct http_origin *wanted)
{
    return o->port == wanted->port && o->is_tls == wanted->is_tls &&
           str_eq(str_of(o->host), wanted->host) && str_eq(str_of(o->ca_file), wanted->ca_file);
}

static char *host_field(const struct http_origin *origin)
{
    struct buf b = { 0 };
    bool is_v6 = str_find_char(origin->host, ':') != SIZE_MAX;
    bool is_default_port = origin->port == (origin->is_tls ? 443 : 80);
    buf_addf(&b, is_v6 ? "[%.*s]" : "%.*s", STR_ARG(origin->host));
    if (!is_default_port)
        buf_addf(&b, ":%d", origin->port);
    return buf_take(&b);
}

static void drop_unused_origins(struct http_client *c)
{
    for (struct origin **place = &c->origins; *place;) {
        struct origin *o = *place;
        if (o->open > 0) {
            place = &o->next;
            continue;
        }
        *place = o->next;
        c->origins_len--;
        origin_free(o);
    }
}

struct origin *pool_origin(struct http_client *c, const struct http_origin *wanted)
{
    for (struct origin *o = c->origins; o; o = o->next) {
        if (is_same(o, wanted))
            return o;
    }
    if (c->origins_len >= ORIGINS_MAX)
        drop_unused_origins(c);
    struct origin *o = MEM_NEW(struct origin);
    o->client = c;
    o->is_tls = wanted->is_tls;
    o->port = wanted->port;
    o->host = str_dup(wanted->host);
    o->ca_file = wanted->ca_file.len ? str_dup(wanted->ca_file) : NULL;
    o->host_field = host_field(wanted);
    o->next = c->origins;
    c->origins = o;
    c->origins_len++;
    return o;
}

/* The newest session is the one to resume; OpenSSL hands over its reference. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
    struct stream *s = SSL_get_app_data(ssl);
    struct origin *o = HZ_CONTAINER_OF(s, struct http_connection, stream)->origin;
    SSL_SESSION_free(o->session);
    o->session = session;
    return 1;
}

static enum err make_tls(struct origin *o, char detail[HTTP_DETAIL_MAX])
{
    static const unsigned char http11[] = { 8, 'h', 't', 't', 'p', '/', '1', '.', '1' };
    if (o->tls)
        return OK;
    for (struct origin *other = o->client->origins; other; other = other->next) {
        if (other->tls && str_eq(str_of(other->ca_file), str_of(o->ca_file))) {
            SSL_CTX_up_ref(other->tls);
            o->tls = other->tls;
            return OK;
        }
    }
    struct fail fail = { 0 };
    if (tls_client_context(o->ca_file, &o->tls, &fail) != OK) {
        snprintf(detail, HTTP_DETAIL_MAX, "%.*s", HTTP_DETAIL_MAX - 1, fail.text);
        return ERR_TLS;
    }
    SSL_CTX_sess_set_new_cb(o->tls, on_session);
    SSL_CTX_set_alpn_protos(o->tls, http11, sizeof(http11));
    return OK;
}

/* ---- kept connections ---- */

static void unlink_kept(struct http_connection *conn)
{
    struct origin *o = conn->origin;
    *(conn->older ? &conn->older->newer : &o->oldest) = conn->newer;
    *(conn->newer ? &conn->newer->older : &o->newest) = conn->older;
    conn->older = conn->newer = NULL;
    conn->stream.on_gone = NULL;
    conn->stream.on_idle_input = NULL;
    o->kept--;
}

void pool_close(struct http_connection *conn)
{
    stream_close(&conn->stream);
    conn->origin->open--;
    conn->origin->client->open--;
    buf_fini(&conn->input);
    mem_free(conn->headers);
    mem_free(conn);
}

static void close_kept(struct http_connection *conn)
{
    unlink_kept(conn);
    pool_close(conn);
}

static void on_gone(struct stream *s)
{
    close_kept(HZ_CONTAINER_OF(s, struct http_connection, stream));
}

static bool has_input(struct http_connection *conn)
{
    size_t got;
    return stream_try_read(&conn->stream, loop_scratch(conn->stream.loop), 1, &got) != ERR_AGAIN;
}

/* Nobody asked: bytes without a request would be taken for the next answer. A TLS ticket is no
 * such input. */
static void on_idle_input(struct stream *s)
{
    struct http_connection *conn = HZ_CONTAINER_OF(s, struct http_connection, stream);
    if (has_input(conn))
        close_kept(conn);
}

static int64_t expiry(const struct http_connection *conn)
{
    return conn->kept_since_ns + conn->origin->client->options.idle_ms * NS_PER_MS;
}

static void on_time(struct timer *timer)
{
    struct http_client *c = HZ_CONTAINER_OF(timer, struct http_client, timer);
    int64_t next_ns = INT64_MAX;
    for (struct origin *o = c->origins; o; o = o->next) {
        while (o->oldest && expiry(o->oldest) <= loop_now_ns(c->loop))
            close_kept(o->oldest);
        if (o->oldest)
            next_ns = HZ_MIN(next_ns, expiry(o->oldest));
    }
    if (next_ns != INT64_MAX)
        timer_set(c->loop, &c->timer, next_ns);
}

void pool_keep(struct http_connection *conn)
{
    struct origin *o = conn->origin;
    struct http_client *c = o->client;
    if (conn->stream.is_peer_gone || (conn->stream.can_read && has_input(conn))) {
        pool_close(conn);
        return;
    }
    if (conn->input.cap > KEPT_INPUT_MAX)
        buf_fini(&conn->input);
    conn->stream.on_gone = on_gone;
    conn->stream.on_idle_input = on_idle_input;
    conn->kept_since_ns = loop_now_ns(c->loop);
    conn->older = o->newest;
    *(o->newest ? &o->newest->newer : &o->oldest) = conn;
    o->newest = conn;
    o->kept++;
    if (o->kept > c->options.idle_per_origin)
        close_kept(o->oldest);
    if (!c->timer.slot)
        timer_set(c->loop, &c->timer, expiry(conn));
}

struct http_connection *pool_take(struct origin *o)
{
    while (o->newest) {
        struct http_connection *conn = o->newest;
        unlink_kept(conn);
        if (!stream_has_lost_peer(&conn->stream))
            return conn;
        pool_close(conn);
    }
    return NULL;
}

void http_client_drop_idle(struct http_client *c)
{
    for (struct origin *o = c->origins; o; o = o->next) {
        while (o->oldest)
            close_kept(o->oldest);
    }
}

void http_client_destroy(struct http_client *c)
{
    if (!c)
        return;
    http_client_drop_idle(c);
    HZ_ASSERT(c->open == 0);
    timer_cancel(c->loop, &c->timer);
    drop_unused_origins(c);
    mem_free(c);
}

/* ---- new connections ---- */

static enum err note(char detail[HTTP_DETAIL_MAX], enum err err, const char *what, const char *why)
{
    snprintf(detail, HTTP_DETAIL_MAX, "%s: %s", what, why);
    return err;
}

static bool is_our_shortage(int os_error)
{
    return os_error == EMFILE || os_error == ENFILE || os_error == ENOBUFS || os_error == ENOMEM;
}

/* Tries the addresses in turn; each gets an even share of the time that is left, so that a dead
 * first one leaves some for the next. */
static enum err connect_any(struct task *t, struct stream *s, const struct dns_answer *found,
                            int64_t deadline_ns, char detail[HTTP_DETAIL_MAX])
{
    enum err err = ERR_IO;
    for (size_t i = 0; i < found->len; i++) {
        int64_t now_ns = loop_now_ns(task_loop(t));
        int64_t left_ns = HZ_MAX(deadline_ns - now_ns, 0);
        int64_t share_ns = left_ns / (int64_t)(found->len - i);
        err = stream_connect(t, s, &found->addresses[i], now_ns + share_ns);
        if (err != ERR_IO && err != ERR_TIMEOUT)
            return err;
        char what[ADDRESS_TEXT_MAX], why[80];
        address_format(&found->addresses[i], what);
        stream_error_text(s, err, why, sizeof(why));
        if (err == ERR_IO && is_our_shortage(s->os_error))
            return note(detail, ERR_BUSY, "no further connection can be opened", why);
        note(detail, err, what, err == ERR_TIMEOUT ? "no connection in time" : why);
    }
    return ERR_UPSTREAM_CONNECT;
}

static enum err secure(struct task *t, struct http_connection *conn, int64_t deadline_ns,
                       char detail[HTTP_DETAIL_MAX])
{
    struct origin *o = conn->origin;
    enum err err = make_tls(o, detail);
    if (err)
        return err;
    err = stream_tls_connect(t, &conn->stream, o->tls, o->host, o->session, deadline_ns);
    if (err == ERR_TIMEOUT)
        return note(detail, ERR_UPSTREAM_CONNECT, o->host_field, "no TLS handshake in time");
    if (err == ERR_TLS || err == ERR_IO) {
        char why[100];
        stream_error_text(&conn->stream, err, why, sizeof(why));
        return note(detail, ERR_TLS, o->host_field, why);
    }
    return err;
}

static enum err look_up(struct task *t, const struct origin *o, int64_t deadline_ns,
                        struct dns_answer *found, char detail[HTTP_DETAIL_MAX])
{
    struct resolver *resolver = o->client->options.resolver;
    enum err err = dns_lookup(t, resolver, str_of(o->host), o->port, found, deadline_ns);
    if (err == ERR_DNS)
        return note(detail, err, o->host, found->why);
    if (err == ERR_TIMEOUT)
        return note(detail, ERR_DNS, o->host, "no answer from the name server in time");
    return err;
}

enum err pool_connect(struct task *t, struct origin *o, int64_t deadline_ns,
                      struct http_connection **out, char detail[HTTP_DETAIL_MAX])
{
    struct http_connection *conn = MEM_NEW(struct http_connection);
    conn->origin = o;
    /* Counted before the first wait, so that the origin stays meanwhile. */
    o->open++;
    o->client->open++;
    struct dns_answer found;
    enum err err = look_up(t, o, deadline_ns, &found, detail);
    if (!err)
        err = connect_any(t, &conn->stream, &found, deadline_ns, detail);
    if (!err && o->is_tls)
        err = secure(t, conn, deadline_ns, detail);
    if (err) {
        pool_close(conn);
        conn = NULL;
    }
    *out = conn;
    return err;
}

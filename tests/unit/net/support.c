#include "support.h"

#include <dirent.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

struct loop *test_loop;

void test_run(task_fn *fn, void *arg)
{
    size_t descriptors = open_descriptors();
    struct loop_options options = { .is_clock_virtual = true };
    CHECK_OK(loop_create(&options, &test_loop));
    task_spawn(test_loop, "test", fn, arg);
    loop_run(test_loop);
    CHECK_EQ(task_count(test_loop), 0);
    loop_destroy(test_loop);
    CHECK_EQ(open_descriptors(), descriptors);
}

void test_done(void)
{
    loop_stop(test_loop);
}

int64_t test_in_ms(int64_t ms)
{
    return loop_now_ns(test_loop) + ms * NS_PER_MS;
}

size_t open_descriptors(void)
{
    size_t n = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

struct address loopback(int port)
{
    struct address a;
    CHECK(address_parse(STR("127.0.0.1"), port, &a));
    return a;
}

int listen_anywhere(int *port)
{
    struct address a = loopback(0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(bind(fd, &a.any, a.len), 0);
    CHECK_EQ(listen(fd, 128), 0);
    CHECK_EQ(getsockname(fd, &a.any, &a.len), 0);
    *port = address_port(&a);
    return fd;
}

void tcp_pair(int out[2])
{
    int port;
    int listener = listen_anywhere(&port);
    struct address a = loopback(port);
    out[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(connect(out[0], &a.any, a.len), 0);
    out[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    CHECK(out[1] >= 0);
    CHECK_EQ(fcntl(out[0], F_SETFL, O_NONBLOCK), 0);
    close(listener);
}

void put(int fd, struct str data)
{
    CHECK_EQ(send(fd, data.at, data.len, MSG_NOSIGNAL), data.len);
}

/* ---- name server ---- */

static size_t add_address(unsigned char *m, size_t len, const unsigned char ip[4])
{
    static const unsigned char record[] = { 0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4 };
    memcpy(m + len, record, sizeof(record));
    memcpy(m + len + sizeof(record), ip, 4);
    m[7]++;
    return len + sizeof(record) + 4;
}

static size_t answer_query(unsigned char *m, size_t len)
{
    size_t end = 12;
    while (end < len && m[end])
        end += m[end] + 1u;
    bool is_a = m[end + 2] == 1;
    bool is_missing = memcmp(m + 13, "missing", 7) == 0;
    bool is_pair = memcmp(m + 13, "pair", 4) == 0;
    len = end + 5;
    m[2] = 0x81; /* an answer, recursion as asked */
    m[3] = is_missing ? 0x83 : 0x80;
    m[7] = m[9] = m[11] = 0;
    if (!is_a || is_missing)
        return len;
    if (!is_pair)
        return add_address(m, len, (const unsigned char[]) { 10, 0, 0, 7 });
    len = add_address(m, len, (const unsigned char[]) { 127, 0, 0, 2 });
    return add_address(m, len, (const unsigned char[]) { 127, 0, 0, 1 });
}

static void on_query(struct watch *w, uint32_t ready)
{
    (void)ready;
    struct name_server *server = HZ_CONTAINER_OF(w, struct name_server, watch);
    unsigned char message[512];
    struct address from = { .len = sizeof(from.v6) };
    ssize_t n;
    while ((n = recvfrom(w->fd, message, 400, 0, &from.any, &from.len)) > 0) {
        server->queries++;
        if (memcmp(message + 13, "mute", 4) == 0)
            continue;
        size_t len = answer_query(message, (size_t)n);
        CHECK_EQ(sendto(w->fd, message, len, 0, &from.any, from.len), len);
    }
}

void name_server_open(struct name_server *s)
{
    struct address a = loopback(0);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK_EQ(bind(fd, &a.any, a.len), 0);
    CHECK_EQ(getsockname(fd, &a.any, &a.len), 0);
    *s = (struct name_server) { 0 };
    snprintf(s->address, sizeof(s->address), "127.0.0.1:%d", address_port(&a));
    s->watch = (struct watch) { .fd = fd, .events = EPOLLIN, .on_ready = on_query };
    CHECK_OK(loop_watch(test_loop, &s->watch));
}

void name_server_close(struct name_server *s)
{
    loop_unwatch(test_loop, &s->watch);
    close(s->watch.fd);
}

/* ---- certificates ---- */

static struct test_files files;
static char folder[40];

static X509 *sign(EVP_PKEY *key, const char *name, const char *names, long days, X509 *issuer,
                  EVP_PKEY *issuer_key)
{
    static long serial;
    X509 *cert = X509_new();
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(cert), -30L * 86400);
    X509_gmtime_adj(X509_getm_notAfter(cert), days * 86400);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(issuer ? issuer : cert));
    int kind = names ? NID_subject_alt_name : NID_basic_constraints;
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, kind, names ? names : "critical,CA:TRUE");
    X509_add_ext(cert, ext, -1);
    X509_EXTENSION_free(ext);
    CHECK(X509_sign(cert, issuer_key, EVP_sha256()) > 0);
    return cert;
}

static void save(char out[64], const char *name, X509 *cert, EVP_PKEY *key)
{
    snprintf(out, 64, "%s/%s", folder, name);
    FILE *f = fopen(out, "w");
    assert_non_null(f);
    if (cert)
        PEM_write_X509(f, cert);
    if (key)
        PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
    fclose(f);
}

static void remove_certificates(void)
{
    unlink(files.ca);
    unlink(files.key);
    for (int i = 0; i < CERTS; i++)
        unlink(files.certificate[i]);
    rmdir(folder);
}

const struct test_files *test_certificates(void)
{
    if (folder[0])
        return &files;
    snprintf(folder, sizeof(folder), "/tmp/huntaze-test-XXXXXX");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(atexit(remove_certificates), 0);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    EVP_PKEY *ca_key = EVP_EC_gen("P-256");
    X509 *ca = sign(ca_key, "Test CA", NULL, 30, NULL, ca_key);
    X509 *other_ca = sign(key, "Other CA", NULL, 30, NULL, key);
    const char *here = "DNS:localhost,IP:127.0.0.1";
    X509 *certs[CERTS] = {
        [CERT_GOOD] = sign(key, "here", here, 30, ca, ca_key),
        [CERT_OTHER_NAME] = sign(key, "there", "DNS:example.org", 30, ca, ca_key),
        [CERT_EXPIRED] = sign(key, "past", here, -1, ca, ca_key),
        [CERT_OTHER_CA] = sign(key, "stranger", here, 30, other_ca, key),
    };
    save(files.ca, "ca.pem", ca, NULL);
    save(files.key, "key.pem", NULL, key);
    for (int i = 0; i < CERTS; i++) {
        char name[16];
        snprintf(name, sizeof(name), "cert%d.pem", i);
        save(files.certificate[i], name, certs[i], NULL);
        X509_free(certs[i]);
    }
    X509_free(ca);
    X509_free(other_ca);
    EVP_PKEY_free(key);
    EVP_PKEY_free(ca_key);
    return &files;
}

/* A file of slots that a power cut or a stranger has changed: each slot is a row, damaged, or free,
 * and what is no file of ours is refused. The input is a list of changes: place (two bytes), byte.
 */

#include "fuzz.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ledger/slots.h"

enum { SLOTS = 4, CHANGE_BYTES = 3 };

static struct slots *open_slots(const char *path, struct names *names, struct slots_found *found)
{
    struct slots *s = NULL;
    struct fail fail = { 0 };
    enum err err = slots_open(str_of(path), SLOTS, names, &s, found, &fail);
    HZ_ASSERT(err == OK || (err == ERR_STORE && fail.text[0]));
    return err ? NULL : s;
}

/* As a killed process leaves it: two attempts in flight, and one whose file was closed. */
static void write_file(const char *path, struct names *names)
{
    struct slots_found found = { 0 };
    struct fail fail = { 0 };
    struct slots *s = open_slots(path, names, &found);
    HZ_ASSERT(s && slots_reset(s, &fail) == OK);
    for (int64_t i = 1; i <= 2; i++) {
        struct transfer row = { .operation_id = i,
                                .attempt = 1,
                                .amount_nusd = 10 * i,
                                .debit_account = names_intern(names, STR("default")),
                                .credit_account = names_intern(names, STR("provider")),
                                .correlation_id = STR("id") };
        HZ_ASSERT(slots_take(s, &row));
    }
    slots_close(s);
}

static void change(const char *path, struct str changes)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    HZ_ASSERT(fd >= 0);
    for (; changes.len >= CHANGE_BYTES; changes = str_skip(changes, CHANGE_BYTES)) {
        const unsigned char *at = (const unsigned char *)changes.at;
        HZ_ASSERT(pwrite(fd, at + 2, 1, at[0] << 8 | at[1]) == 1);
    }
    close(fd);
}

static void check_found(struct slots_found *found)
{
    size_t rows = 0;
    while (found->rows) {
        struct record *r = found->rows;
        HZ_ASSERT(r->row.usage_source == USAGE_UNKNOWN && r->row.status == ATTEMPT_CRASHED);
        found->rows = r->next;
        mem_free(r);
        rows++;
    }
    HZ_ASSERT(rows + found->damaged <= (1 << 16) / 2048 + 1);
}

static char directory[] = "/tmp/fuzz-slots-XXXXXX";

static void remove_directory(void)
{
    rmdir(directory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char path[64];
    if (!path[0]) {
        HZ_ASSERT(mkdtemp(directory) && atexit(remove_directory) == 0);
        snprintf(path, sizeof(path), "%s/slots", directory);
    }
    struct names *names = names_create();
    struct slots_found found = { 0 };
    write_file(path, names);
    change(path, str_make((const char *)data, size));
    slots_close(open_slots(path, names, &found));
    check_found(&found);
    unlink(path);
    names_destroy(names);
    return 0;
}

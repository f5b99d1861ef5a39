#ifndef HZ_TESTS_FAULT_DISK_H
#define HZ_TESTS_FAULT_DISK_H
/*
 * disk - a disk that forgets what was not synced, as SQLite's default VFS over the unix one.
 *
 * Files and locks are real; beside them stands, for each file, what is on the disk for certain
 * (synced) and the list of writes and truncations since. Directory entries are modelled alike: a new
 * or deleted file is certain after a sync of its directory, which SQLite does with the first sync of
 * a new journal or log. At the cut each unsynced change is kept, dropped or torn, the files are
 * rewritten to what that leaves, and the process ends, whatever its threads are doing.
 *
 * Thread: any; one lock around every operation, so that the cut is one moment for all files.
 * Limits: directories themselves are certain once made; shared memory (-shm) is not on the disk.
 */

#include <stdbool.h>
#include <stdint.h>

/* What goes wrong for a while before the cut. The files of the spool are spared by *_STORE. */
enum sickness {
    SICK_NONE,
    SICK_FULL_STORE,  /* writes fail: SQLITE_FULL */
    SICK_FULL_ALL,
    SICK_FSYNC_STORE, /* syncs fail, and what they should have kept is lost or not: it is never
                       * written again, though reads still see it, as Linux does */
    SICK_FSYNC_ALL,
    SICKNESSES
};

struct disk_plan {
    const char *directory; /* whose files are kept in mind; all others are left alone */
    uint64_t seed;
    long cut_at;  /* the operation (write, truncate, sync, delete, open) that is not done any more */
    bool is_kill; /* only the process ends: the page cache survives, the next plan goes on from it */
    enum sickness sickness;
    long sick_from, sick_to;
};

/* Once in a process, before the first database is opened. */
void disk_install(const struct disk_plan *plan);
uint64_t disk_random(uint64_t *state);
/* The cut, if it has not come yet. Does not return. */
_Noreturn void disk_cut(void);

#endif

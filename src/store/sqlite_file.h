#ifndef HZ_STORE_SQLITE_FILE_H
#define HZ_STORE_SQLITE_FILE_H
/* sqlite_file - the file of a SQLite store: making it, and refusing what is not ours or damaged. */

#include <sqlite3.h>

#include "store/store.h"

/* Makes the file (mode 0600) and its directories (0700) if they are missing. `option` chose it. */
enum err sqlite_file_make(const char *path, const char *option, struct fail *fail) HZ_MUST_USE;

/* After the log has been opened: makes sure that file and log are still there after a power cut. */
enum err sqlite_file_sync_directory(const char *path, struct fail *fail) HZ_MUST_USE;

/* A file of ours, or an empty one? */
enum err sqlite_file_is_ours(sqlite3 *db, const char *path, const char *option,
                             struct fail *fail) HZ_MUST_USE;

/* PRAGMA quick_check for as long as the size of a ledger leaves a start quick; what was not read by
 * then is checked when it is read. */
enum err sqlite_file_check(sqlite3 *db, const char *path, struct fail *fail) HZ_MUST_USE;

/* In the file's header: "hntz". */
#define SQLITE_APPLICATION_ID 1752069242
#define SQLITE_APPLICATION_ID_TEXT "1752069242"

#endif

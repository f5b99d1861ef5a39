#ifndef HZ_BASE_PLANTED_H
#define HZ_BASE_PLANTED_H
/*
 * planted - bugs that the fault harnesses must find: without that their zeros would mean nothing.
 *
 * `meson setup -Dplanted_bug=NAME` builds one of them in, for tests/fault/mutants only. In every
 * other build HZ_PLANTED is the constant 0, and what it guards is not compiled into the program.
 */

#ifdef HZ_PLANTED_BUG
enum planted_bug {
    PLANTED_SYNCHRONOUS_NORMAL = 1,  /* commits are not synced */
    PLANTED_DIRECTORY_NOT_SYNCED,    /* the log of a killed process may vanish */
    PLANTED_ANSWER_BEFORE_COMMIT,    /* the transaction is ended with the next one */
    PLANTED_ANSWER_WITHOUT_SPOOL,    /* also when the spool could not be written */
    PLANTED_SLOT_NEVER_WRITTEN,
    PLANTED_SLOT_RELEASED_EARLY,     /* when the row is handed over, not when it is durable */
    PLANTED_SLOTS_RESET_EARLY,       /* before their rows are durable */
    PLANTED_NO_UNIQUE_KEY,           /* what is in doubt is written twice */
    PLANTED_CHAIN_NOT_EXTENDED,      /* the next batch continues from the one before */
    PLANTED_ROLLUP_WITHOUT_LAST_ID,  /* folded in again at the next start */
    PLANTED_SPOOL_NOT_EMPTIED,
    PLANTED_SPOOL_EMPTIED_EARLY,     /* before its rows are in the database */
    PLANTED_UNKNOWN_SKIPPED,         /* slots found at start become no rows */
    PLANTED_UNKNOWN_IS_FREE,         /* ... become rows of amount zero */
};
#define HZ_PLANTED(name) (HZ_PLANTED_BUG == PLANTED_##name)
#else
#define HZ_PLANTED(name) 0
#endif

#endif

-- The ledger: one row per attempt at a provider, and what proves that none was changed.

CREATE TABLE name (
    id    INTEGER PRIMARY KEY,
    text  TEXT NOT NULL UNIQUE
) STRICT;

-- Names are ids of table name, 0 for none. The enums stand in model/ and ledger/ledger.h.
CREATE TABLE transfer (
    id                  INTEGER PRIMARY KEY,   -- time, node and sequence: ordered per node
    operation_id        INTEGER NOT NULL,
    attempt             INTEGER NOT NULL,
    kind                INTEGER NOT NULL,      -- 1 hold, 2 settle, 3 adjust, 4 credit
    debit               INTEGER NOT NULL,
    credit              INTEGER NOT NULL,
    amount_nusd         INTEGER NOT NULL,
    is_unpriced         INTEGER NOT NULL,
    api_key             INTEGER NOT NULL,
    feature             INTEGER NOT NULL,
    provider            INTEGER NOT NULL,
    deployment          INTEGER NOT NULL,
    model               INTEGER NOT NULL,
    region              INTEGER NOT NULL,
    tier                INTEGER NOT NULL,
    operation           INTEGER NOT NULL,
    input_tokens        INTEGER NOT NULL,
    cached_tokens       INTEGER NOT NULL,
    cache_write_tokens  INTEGER NOT NULL,
    output_tokens       INTEGER NOT NULL,
    reasoning_tokens    INTEGER NOT NULL,
    usage_source        INTEGER NOT NULL,      -- 0 provider, 1 counted, 2 unknown
    status              INTEGER NOT NULL,
    http_status         INTEGER NOT NULL,
    error               INTEGER NOT NULL,
    started_ms          INTEGER NOT NULL,
    duration_ms         INTEGER NOT NULL,
    first_content_ms    INTEGER NOT NULL,      -- -1 if none came
    is_stream           INTEGER NOT NULL,
    is_fallback         INTEGER NOT NULL,
    correlation_id      TEXT                   -- only if the caller gave it
) STRICT;
CREATE UNIQUE INDEX transfer_once ON transfer (operation_id, attempt, kind);

-- A process that writes: its node number, and how often that node was started.
CREATE TABLE writer (
    node          INTEGER NOT NULL,
    epoch         INTEGER NOT NULL,
    started_ms    INTEGER NOT NULL,
    heartbeat_ms  INTEGER NOT NULL,
    last_seq      INTEGER NOT NULL,            -- of its batches, as of the heartbeat
    PRIMARY KEY (node, epoch)
) STRICT, WITHOUT ROWID;

-- The hash chain: each batch seals its rows and the batch before.
CREATE TABLE batch (
    node       INTEGER NOT NULL,
    epoch      INTEGER NOT NULL,
    seq        INTEGER NOT NULL,               -- 1, 2, ... within (node, epoch)
    first_id   INTEGER NOT NULL,
    last_id    INTEGER NOT NULL,
    row_count  INTEGER NOT NULL,
    prev_hash  BLOB NOT NULL,
    hash       BLOB NOT NULL,
    PRIMARY KEY (node, epoch, seq)
) STRICT, WITHOUT ROWID;

-- Sums per hour. Each node adds to rows of its own, so that writers never wait for each other.
CREATE TABLE rollup (
    node                INTEGER NOT NULL,
    hour                INTEGER NOT NULL,      -- since 1970
    account             INTEGER NOT NULL,
    api_key             INTEGER NOT NULL,
    feature             INTEGER NOT NULL,
    model               INTEGER NOT NULL,
    deployment          INTEGER NOT NULL,
    status              INTEGER NOT NULL,
    calls               INTEGER NOT NULL,
    input_tokens        INTEGER NOT NULL,
    cached_tokens       INTEGER NOT NULL,
    cache_write_tokens  INTEGER NOT NULL,
    output_tokens       INTEGER NOT NULL,
    reasoning_tokens    INTEGER NOT NULL,
    cost_nusd           INTEGER NOT NULL,
    PRIMARY KEY (node, hour, account, api_key, feature, model, deployment, status)
) STRICT, WITHOUT ROWID;

-- The last row of each node that its rollups contain.
CREATE TABLE rollup_state (
    node     INTEGER PRIMARY KEY,
    last_id  INTEGER NOT NULL
) STRICT;

-- Only used in the local spool: rows that wait for the database.
CREATE TABLE spooled (
    seq   INTEGER PRIMARY KEY,
    body  BLOB NOT NULL
) STRICT;

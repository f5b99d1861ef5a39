-- The ledger: one row per attempt at a provider, and what proves that none was changed.
-- Same columns as migrations/sqlite/0001_ledger.sql, where they are explained; flags are integers there
-- and here.

CREATE TABLE name (
    id    integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    text  text NOT NULL UNIQUE
);

CREATE TABLE transfer (
    id                  bigint PRIMARY KEY,
    operation_id        bigint NOT NULL,
    amount_nusd         bigint NOT NULL,
    started_ms          bigint NOT NULL,
    input_tokens        bigint NOT NULL,
    cached_tokens       bigint NOT NULL,
    cache_write_tokens  bigint NOT NULL,
    output_tokens       bigint NOT NULL,
    reasoning_tokens    bigint NOT NULL,
    attempt             integer NOT NULL,
    debit               integer NOT NULL,
    credit              integer NOT NULL,
    api_key             integer NOT NULL,
    feature             integer NOT NULL,
    provider            integer NOT NULL,
    deployment          integer NOT NULL,
    model               integer NOT NULL,
    region              integer NOT NULL,
    http_status         integer NOT NULL,
    error               integer NOT NULL,
    duration_ms         integer NOT NULL,
    first_content_ms    integer NOT NULL,
    kind                smallint NOT NULL,
    tier                smallint NOT NULL,
    operation           smallint NOT NULL,
    usage_source        smallint NOT NULL,
    status              smallint NOT NULL,
    is_unpriced         smallint NOT NULL,
    is_stream           smallint NOT NULL,
    is_fallback         smallint NOT NULL,
    correlation_id      text
);
CREATE UNIQUE INDEX transfer_once ON transfer (operation_id, attempt, kind);

CREATE TABLE writer (
    node          integer NOT NULL,
    epoch         bigint NOT NULL,
    started_ms    bigint NOT NULL,
    heartbeat_ms  bigint NOT NULL,
    last_seq      bigint NOT NULL,
    PRIMARY KEY (node, epoch)
);

CREATE TABLE batch (
    node       integer NOT NULL,
    epoch      bigint NOT NULL,
    seq        bigint NOT NULL,
    first_id   bigint NOT NULL,
    last_id    bigint NOT NULL,
    row_count  bigint NOT NULL,
    prev_hash  bytea NOT NULL,
    hash       bytea NOT NULL,
    PRIMARY KEY (node, epoch, seq)
);

CREATE TABLE rollup (
    node                integer NOT NULL,
    hour                bigint NOT NULL,
    account             integer NOT NULL,
    api_key             integer NOT NULL,
    feature             integer NOT NULL,
    model               integer NOT NULL,
    deployment          integer NOT NULL,
    status              smallint NOT NULL,
    calls               bigint NOT NULL,
    input_tokens        bigint NOT NULL,
    cached_tokens       bigint NOT NULL,
    cache_write_tokens  bigint NOT NULL,
    output_tokens       bigint NOT NULL,
    reasoning_tokens    bigint NOT NULL,
    cost_nusd           bigint NOT NULL,
    PRIMARY KEY (node, hour, account, api_key, feature, model, deployment, status)
);

CREATE TABLE rollup_state (
    node     integer PRIMARY KEY,
    last_id  bigint NOT NULL
);

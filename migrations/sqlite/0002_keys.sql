-- API keys and the accounts they belong to. A key itself is never stored, only its SHA-256.

CREATE TABLE account (
    id          INTEGER PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE,
    tier        INTEGER NOT NULL,              -- 0 standard, 1 vip
    created_ms  INTEGER NOT NULL
) STRICT;

CREATE TABLE api_key (
    id          TEXT PRIMARY KEY,              -- the public part
    account     INTEGER NOT NULL REFERENCES account (id),
    name        TEXT NOT NULL,
    scopes      INTEGER NOT NULL,              -- bits: 1 chat, 2 features, 4 send, 8 admin
    hash        BLOB NOT NULL,
    created_ms  INTEGER NOT NULL,
    revoked_ms  INTEGER NOT NULL               -- 0 while it is valid
) STRICT, WITHOUT ROWID;

-- One row: grows with each change of the two tables above, so that a process sees when to load again.
CREATE TABLE key_version (
    only_row    INTEGER PRIMARY KEY CHECK (only_row = 1),
    version     INTEGER NOT NULL
) STRICT;
INSERT INTO key_version (only_row, version) VALUES (1, 1);

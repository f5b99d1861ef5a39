-- API keys and the accounts they belong to.
-- Same columns as migrations/sqlite/0002_keys.sql, where they are explained.

CREATE TABLE account (
    id          integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL UNIQUE,
    tier        integer NOT NULL,
    created_ms  bigint NOT NULL
);

CREATE TABLE api_key (
    id          text PRIMARY KEY,
    account     integer NOT NULL REFERENCES account (id),
    name        text NOT NULL,
    scopes      integer NOT NULL,
    hash        bytea NOT NULL,
    created_ms  bigint NOT NULL,
    revoked_ms  bigint NOT NULL
);

CREATE TABLE key_version (
    only_row    integer PRIMARY KEY CHECK (only_row = 1),
    version     bigint NOT NULL
);
INSERT INTO key_version (only_row, version) VALUES (1, 1);

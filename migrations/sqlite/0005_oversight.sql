-- What was asked for under a key that a request carried: the key serves that and nothing else.
ALTER TABLE audit_requests ADD COLUMN body_hash TEXT;

-- How much happened in each hour (hours since 1970), by who acted and what about. Follows from the entries, as everything they are found by.
CREATE TABLE audit_activity (
    hour    INTEGER NOT NULL,
    agent   INTEGER NOT NULL,
    area    INTEGER NOT NULL,
    outcome INTEGER NOT NULL,
    entries INTEGER NOT NULL,
    PRIMARY KEY (hour, agent, area, outcome)
) STRICT, WITHOUT ROWID;
-- Made anew, with the activity and with marks for what is unusual.
DELETE FROM audit_mentions;
DELETE FROM audit_index;
DELETE FROM audit_names;

-- Searches that auditors keep; name and search are sealed.
CREATE TABLE saved_searches (
    id         TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    sealed     BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX saved_searches_by_account ON saved_searches (account_id);

-- How far entries and checkpoints were handed on to each place outside.
CREATE TABLE audit_feeds (
    name       TEXT NOT NULL PRIMARY KEY,
    position   INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

-- Checkpoints that witnesses signed as well (C2SP tlog-cosignature).
CREATE TABLE audit_cosignatures (
    size    INTEGER NOT NULL,
    witness TEXT NOT NULL,
    note    TEXT NOT NULL,
    PRIMARY KEY (size, witness)
) STRICT, WITHOUT ROWID;

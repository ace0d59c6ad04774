-- What was asked for under a key that a request carried: the key serves that and nothing else.
ALTER TABLE audit_requests ADD COLUMN body_hash TEXT;

-- How much happened in each hour (hours since 1970), by who acted and what about. Follows from the entries, as everything they are found by.
CREATE TABLE audit_activity (
    hour    BIGINT NOT NULL,
    agent   BIGINT NOT NULL,
    area    BIGINT NOT NULL,
    outcome BIGINT NOT NULL,
    entries BIGINT NOT NULL,
    PRIMARY KEY (hour, agent, area, outcome)
);
-- Made anew, with the activity and with marks for what is unusual.
DELETE FROM audit_mentions;
DELETE FROM audit_index;
DELETE FROM audit_names;

-- Searches that auditors keep; name and search are sealed.
CREATE TABLE saved_searches (
    id         TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    sealed     BYTEA NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX saved_searches_by_account ON saved_searches (account_id);

-- How far entries and checkpoints were handed on to each place outside.
CREATE TABLE audit_feeds (
    name       TEXT NOT NULL PRIMARY KEY,
    position   BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- Checkpoints that witnesses signed as well (C2SP tlog-cosignature).
CREATE TABLE audit_cosignatures (
    size    BIGINT NOT NULL,
    witness TEXT NOT NULL,
    note    TEXT NOT NULL,
    PRIMARY KEY (size, witness)
);

-- As everything else that people change: not without an entry.
CREATE CONSTRAINT TRIGGER saved_searches_audited AFTER INSERT OR UPDATE OR DELETE ON saved_searches
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse_unaudited();

-- Times are microseconds since the Unix epoch (UTC). Ids are hyphenated UUIDs. The PostgreSQL folder holds the same tables.

CREATE TABLE accounts (
    id              TEXT NOT NULL PRIMARY KEY,
    username        TEXT NOT NULL UNIQUE,
    display_name    TEXT NOT NULL,
    role            TEXT NOT NULL,
    status          TEXT NOT NULL,
    password_hash   TEXT NOT NULL,
    created_at      INTEGER NOT NULL,
    last_sign_in_at INTEGER
) STRICT;

CREATE TABLE sign_in_sessions (
    id           TEXT NOT NULL PRIMARY KEY,
    token_hash   TEXT NOT NULL UNIQUE,
    account_id   TEXT NOT NULL REFERENCES accounts (id),
    created_at   INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    ended_at     INTEGER
) STRICT;

CREATE TABLE subject_keys (
    subject_id   TEXT NOT NULL PRIMARY KEY,
    version      INTEGER NOT NULL,
    content_key  BLOB,
    evidence_key BLOB
) STRICT;

CREATE TABLE patients (
    id         TEXT NOT NULL PRIMARY KEY REFERENCES subject_keys (subject_id),
    sealed     BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE patient_terms (
    term       TEXT NOT NULL,
    patient_id TEXT NOT NULL REFERENCES patients (id),
    PRIMARY KEY (term, patient_id)
) STRICT;

CREATE TABLE consultations (
    id              TEXT NOT NULL PRIMARY KEY,
    patient_id      TEXT NOT NULL REFERENCES patients (id),
    practitioner_id TEXT NOT NULL REFERENCES accounts (id),
    status          TEXT NOT NULL,
    starts_at       INTEGER NOT NULL,
    started_at      INTEGER,
    ended_at        INTEGER,
    created_at      INTEGER NOT NULL
) STRICT;
CREATE INDEX consultations_by_practitioner ON consultations (practitioner_id, starts_at);

CREATE TABLE participants (
    id              TEXT NOT NULL PRIMARY KEY,
    consultation_id TEXT NOT NULL REFERENCES consultations (id),
    account_id      TEXT REFERENCES accounts (id),
    role            TEXT NOT NULL,
    place           TEXT NOT NULL,
    sealed_name     BLOB,
    language        TEXT NOT NULL,
    joined_at       INTEGER,
    created_at      INTEGER NOT NULL,
    UNIQUE (consultation_id, account_id)
) STRICT;
CREATE INDEX participants_by_consultation ON participants (consultation_id, created_at);

CREATE TABLE invitations (
    id              TEXT NOT NULL PRIMARY KEY,
    consultation_id TEXT NOT NULL REFERENCES consultations (id),
    role            TEXT NOT NULL,
    sealed_hint     BLOB,
    secret_hash     TEXT NOT NULL,
    status          TEXT NOT NULL,
    created_at      INTEGER NOT NULL,
    expires_at      INTEGER NOT NULL,
    redeemed_at     INTEGER,
    participant_id  TEXT REFERENCES participants (id)
) STRICT;
CREATE INDEX invitations_by_consultation ON invitations (consultation_id, created_at);

CREATE TABLE participant_tokens (
    token_hash     TEXT NOT NULL PRIMARY KEY,
    participant_id TEXT NOT NULL REFERENCES participants (id),
    created_at     INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,
    ended_at       INTEGER
) STRICT;
CREATE INDEX participant_tokens_by_participant ON participant_tokens (participant_id);

CREATE TABLE join_tickets (
    token_hash     TEXT NOT NULL PRIMARY KEY,
    participant_id TEXT NOT NULL REFERENCES participants (id),
    expires_at     INTEGER NOT NULL,
    used_at        INTEGER
) STRICT;

CREATE TABLE recordings (
    id                 TEXT NOT NULL PRIMARY KEY,
    consultation_id    TEXT NOT NULL REFERENCES consultations (id),
    patient_id         TEXT NOT NULL REFERENCES patients (id),
    requested_by       TEXT NOT NULL REFERENCES accounts (id),
    state              TEXT NOT NULL,
    requested_at       INTEGER NOT NULL,
    started_at         INTEGER,
    stopped_at         INTEGER,
    duration_ms        INTEGER NOT NULL,
    bytes              INTEGER NOT NULL,
    policy_digest      TEXT NOT NULL,
    retention_class    TEXT NOT NULL
) STRICT;
-- At most one recording of a consultation can be decided about at a time.
CREATE UNIQUE INDEX recordings_open ON recordings (consultation_id) WHERE state IN ('requested', 'active', 'paused');
CREATE INDEX recordings_by_consultation ON recordings (consultation_id, requested_at);

CREATE TABLE recording_parts (
    id             TEXT NOT NULL PRIMARY KEY,
    recording_id   TEXT NOT NULL REFERENCES recordings (id),
    participant_id TEXT NOT NULL REFERENCES participants (id),
    source         TEXT NOT NULL,
    header         BLOB NOT NULL,
    manifest       BLOB NOT NULL,
    signature      BLOB NOT NULL
) STRICT;
CREATE INDEX recording_parts_by_recording ON recording_parts (recording_id);

CREATE TABLE consents (
    id              TEXT NOT NULL PRIMARY KEY,
    consultation_id TEXT NOT NULL REFERENCES consultations (id),
    recording_id    TEXT NOT NULL REFERENCES recordings (id),
    participant_id  TEXT NOT NULL REFERENCES participants (id),
    decision        TEXT NOT NULL,
    text            TEXT NOT NULL,
    version         TEXT NOT NULL,
    language        TEXT NOT NULL,
    digest          TEXT NOT NULL,
    policy_digest   TEXT NOT NULL,
    decided_at      INTEGER NOT NULL
) STRICT;
CREATE INDEX consents_by_recording ON consents (recording_id, decided_at);

CREATE TABLE playbacks (
    id           TEXT NOT NULL PRIMARY KEY,
    recording_id TEXT NOT NULL REFERENCES recordings (id),
    account_id   TEXT NOT NULL REFERENCES accounts (id),
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL
) STRICT;

CREATE TABLE policy_bundles (
    digest      TEXT NOT NULL PRIMARY KEY,
    content     TEXT NOT NULL,
    accepted_at INTEGER NOT NULL
) STRICT;

CREATE TABLE audit_entries (
    id          TEXT NOT NULL PRIMARY KEY,
    at          INTEGER NOT NULL,
    event       TEXT NOT NULL,
    action      TEXT NOT NULL,
    outcome     TEXT NOT NULL,
    search_text TEXT NOT NULL,
    body        TEXT NOT NULL,
    leaf_index  INTEGER UNIQUE
) STRICT;
CREATE INDEX audit_entries_unsequenced ON audit_entries (at, id) WHERE leaf_index IS NULL;

CREATE TABLE audit_hashes (
    storage_index INTEGER NOT NULL PRIMARY KEY,
    hash          BLOB NOT NULL
) STRICT;

CREATE TABLE audit_checkpoints (
    size      INTEGER NOT NULL PRIMARY KEY,
    note      TEXT NOT NULL,
    signed_at INTEGER NOT NULL
) STRICT;

-- An entry is written once. Only its place in the tree is added, and only once.
CREATE TRIGGER audit_entries_never_go BEFORE DELETE ON audit_entries
BEGIN SELECT RAISE(ABORT, 'audit entries are append-only'); END;
CREATE TRIGGER audit_entries_never_change BEFORE UPDATE ON audit_entries
WHEN OLD.leaf_index IS NOT NULL OR NEW.leaf_index IS NULL OR NEW.id <> OLD.id OR NEW.at <> OLD.at OR NEW.event <> OLD.event
  OR NEW.action <> OLD.action OR NEW.outcome <> OLD.outcome OR NEW.search_text <> OLD.search_text OR NEW.body <> OLD.body
BEGIN SELECT RAISE(ABORT, 'audit entries are append-only'); END;
CREATE TRIGGER consents_never_go BEFORE DELETE ON consents
BEGIN SELECT RAISE(ABORT, 'consent decisions are append-only'); END;
CREATE TRIGGER consents_never_change BEFORE UPDATE ON consents
BEGIN SELECT RAISE(ABORT, 'consent decisions are append-only'); END;

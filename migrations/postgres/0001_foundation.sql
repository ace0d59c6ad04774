-- Times are microseconds since the Unix epoch (UTC). Ids are hyphenated UUIDs. The SQLite folder holds the same tables.

CREATE TABLE accounts (
    id              TEXT NOT NULL PRIMARY KEY,
    username        TEXT NOT NULL UNIQUE,
    display_name    TEXT NOT NULL,
    role            TEXT NOT NULL,
    status          TEXT NOT NULL,
    password_hash   TEXT NOT NULL,
    created_at      BIGINT NOT NULL,
    last_sign_in_at BIGINT
);

CREATE TABLE sign_in_sessions (
    id           TEXT NOT NULL PRIMARY KEY,
    token_hash   TEXT NOT NULL UNIQUE,
    account_id   TEXT NOT NULL REFERENCES accounts (id),
    created_at   BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    ended_at     BIGINT
);

CREATE TABLE subject_keys (
    subject_id   TEXT NOT NULL PRIMARY KEY,
    version      BIGINT NOT NULL,
    content_key  BYTEA,
    evidence_key BYTEA
);

CREATE TABLE patients (
    id         TEXT NOT NULL PRIMARY KEY REFERENCES subject_keys (subject_id),
    sealed     BYTEA NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE patient_terms (
    term       TEXT NOT NULL,
    patient_id TEXT NOT NULL REFERENCES patients (id),
    PRIMARY KEY (term, patient_id)
);

CREATE TABLE consultations (
    id              TEXT NOT NULL PRIMARY KEY,
    patient_id      TEXT NOT NULL REFERENCES patients (id),
    practitioner_id TEXT NOT NULL REFERENCES accounts (id),
    status          TEXT NOT NULL,
    starts_at       BIGINT NOT NULL,
    started_at      BIGINT,
    ended_at        BIGINT,
    created_at      BIGINT NOT NULL
);
CREATE INDEX consultations_by_practitioner ON consultations (practitioner_id, starts_at);

CREATE TABLE participants (
    id              TEXT NOT NULL PRIMARY KEY,
    consultation_id TEXT NOT NULL REFERENCES consultations (id),
    account_id      TEXT REFERENCES accounts (id),
    role            TEXT NOT NULL,
    place           TEXT NOT NULL,
    sealed_name     BYTEA,
    language        TEXT NOT NULL,
    joined_at       BIGINT,
    created_at      BIGINT NOT NULL,
    UNIQUE (consultation_id, account_id)
);
CREATE INDEX participants_by_consultation ON participants (consultation_id, created_at);

CREATE TABLE invitations (
    id              TEXT NOT NULL PRIMARY KEY,
    consultation_id TEXT NOT NULL REFERENCES consultations (id),
    role            TEXT NOT NULL,
    sealed_hint     BYTEA,
    secret_hash     TEXT NOT NULL,
    status          TEXT NOT NULL,
    created_at      BIGINT NOT NULL,
    expires_at      BIGINT NOT NULL,
    redeemed_at     BIGINT,
    participant_id  TEXT REFERENCES participants (id)
);
CREATE INDEX invitations_by_consultation ON invitations (consultation_id, created_at);

CREATE TABLE participant_tokens (
    token_hash     TEXT NOT NULL PRIMARY KEY,
    participant_id TEXT NOT NULL REFERENCES participants (id),
    created_at     BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL,
    ended_at       BIGINT
);
CREATE INDEX participant_tokens_by_participant ON participant_tokens (participant_id);

CREATE TABLE join_tickets (
    token_hash     TEXT NOT NULL PRIMARY KEY,
    participant_id TEXT NOT NULL REFERENCES participants (id),
    expires_at     BIGINT NOT NULL,
    used_at        BIGINT
);

CREATE TABLE recordings (
    id                 TEXT NOT NULL PRIMARY KEY,
    consultation_id    TEXT NOT NULL REFERENCES consultations (id),
    patient_id         TEXT NOT NULL REFERENCES patients (id),
    requested_by       TEXT NOT NULL REFERENCES accounts (id),
    state              TEXT NOT NULL,
    requested_at       BIGINT NOT NULL,
    started_at         BIGINT,
    stopped_at         BIGINT,
    duration_ms        BIGINT NOT NULL,
    bytes              BIGINT NOT NULL,
    policy_digest      TEXT NOT NULL,
    retention_class    TEXT NOT NULL
);
-- At most one recording of a consultation can be decided about at a time.
CREATE UNIQUE INDEX recordings_open ON recordings (consultation_id) WHERE state IN ('requested', 'active', 'paused');
CREATE INDEX recordings_by_consultation ON recordings (consultation_id, requested_at);

CREATE TABLE recording_parts (
    id             TEXT NOT NULL PRIMARY KEY,
    recording_id   TEXT NOT NULL REFERENCES recordings (id),
    participant_id TEXT NOT NULL REFERENCES participants (id),
    source         TEXT NOT NULL,
    header         BYTEA NOT NULL,
    manifest       BYTEA NOT NULL,
    signature      BYTEA NOT NULL
);
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
    decided_at      BIGINT NOT NULL
);
CREATE INDEX consents_by_recording ON consents (recording_id, decided_at);

CREATE TABLE playbacks (
    id           TEXT NOT NULL PRIMARY KEY,
    recording_id TEXT NOT NULL REFERENCES recordings (id),
    account_id   TEXT NOT NULL REFERENCES accounts (id),
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL
);

CREATE TABLE policy_bundles (
    digest      TEXT NOT NULL PRIMARY KEY,
    content     TEXT NOT NULL,
    accepted_at BIGINT NOT NULL
);

CREATE TABLE audit_entries (
    id          TEXT NOT NULL PRIMARY KEY,
    at          BIGINT NOT NULL,
    event       TEXT NOT NULL,
    action      TEXT NOT NULL,
    outcome     TEXT NOT NULL,
    search_text TEXT NOT NULL,
    body        TEXT NOT NULL,
    leaf_index  BIGINT UNIQUE
);
CREATE INDEX audit_entries_unsequenced ON audit_entries (at, id) WHERE leaf_index IS NULL;

CREATE TABLE audit_hashes (
    storage_index BIGINT NOT NULL PRIMARY KEY,
    hash          BYTEA NOT NULL
);

CREATE TABLE audit_checkpoints (
    size      BIGINT NOT NULL PRIMARY KEY,
    note      TEXT NOT NULL,
    signed_at BIGINT NOT NULL
);

-- An entry is written once. Only its place in the tree is added, and only once.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END $$;
CREATE TRIGGER audit_entries_never_go BEFORE DELETE ON audit_entries FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_entries_never_change BEFORE UPDATE ON audit_entries FOR EACH ROW
    WHEN (OLD.leaf_index IS NOT NULL OR NEW.leaf_index IS NULL OR NEW.id <> OLD.id OR NEW.at <> OLD.at OR NEW.event <> OLD.event
      OR NEW.action <> OLD.action OR NEW.outcome <> OLD.outcome OR NEW.search_text <> OLD.search_text OR NEW.body <> OLD.body)
    EXECUTE FUNCTION refuse_change();
CREATE TRIGGER consents_never_go BEFORE DELETE ON consents FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER consents_never_change BEFORE UPDATE ON consents FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_entries_never_truncate BEFORE TRUNCATE ON audit_entries EXECUTE FUNCTION refuse_change();
CREATE TRIGGER consents_never_truncate BEFORE TRUNCATE ON consents EXECUTE FUNCTION refuse_change();

-- A decision is about a consultation, and about one recording where it is about one; it says what was permitted and what denied, for whom,
-- and carries the statement that was signed in the person's own browser.
CREATE TABLE consents_new (
    id               TEXT NOT NULL PRIMARY KEY,
    consultation_id  TEXT NOT NULL REFERENCES consultations (id),
    recording_id     TEXT REFERENCES recordings (id),
    participant_id   TEXT NOT NULL REFERENCES participants (id),
    decision         TEXT NOT NULL,
    permitted        TEXT NOT NULL,
    denied           TEXT NOT NULL,
    text             TEXT NOT NULL,
    version          TEXT NOT NULL,
    language         TEXT NOT NULL,
    digest           TEXT NOT NULL,
    shown            TEXT NOT NULL,
    capacity         TEXT NOT NULL,
    method           TEXT NOT NULL,
    sealed_statement BLOB,
    algorithm        TEXT,
    public_key       BLOB,
    signature        BLOB,
    policy_digest    TEXT NOT NULL,
    entry_id         TEXT,
    decided_at       INTEGER NOT NULL
) STRICT;
INSERT INTO consents_new (id, consultation_id, recording_id, participant_id, decision, permitted, denied, text, version, language, digest, shown,
    capacity, method, policy_digest, decided_at)
SELECT id, consultation_id, recording_id, participant_id, decision,
    CASE decision WHEN 'permit' THEN 'recording_audio recording_video' ELSE '' END,
    CASE decision WHEN 'permit' THEN '' ELSE 'recording_audio recording_video' END,
    text, version, language, digest, '', 'self', 'unsigned', policy_digest, decided_at
FROM consents;
DROP TRIGGER consents_never_go;
DROP TRIGGER consents_never_change;
DROP TABLE consents;
ALTER TABLE consents_new RENAME TO consents;
CREATE INDEX consents_by_recording ON consents (recording_id, decided_at);
CREATE INDEX consents_by_participant ON consents (participant_id, decided_at);
CREATE INDEX consents_by_consultation ON consents (consultation_id, decided_at);
CREATE INDEX consents_by_time ON consents (decided_at, id);
CREATE TRIGGER consents_never_go BEFORE DELETE ON consents
BEGIN SELECT RAISE(ABORT, 'consent decisions are append-only'); END;
CREATE TRIGGER consents_never_change BEFORE UPDATE ON consents
BEGIN SELECT RAISE(ABORT, 'consent decisions are append-only'); END;

-- The words a recording was asked with, and what becomes of it once someone has withdrawn: keep, keep_until_review or destroy.
ALTER TABLE recordings ADD COLUMN text TEXT NOT NULL DEFAULT 'recording-audio-video';
ALTER TABLE recordings ADD COLUMN version TEXT NOT NULL DEFAULT '1';
ALTER TABLE recordings ADD COLUMN withdrawn TEXT;

-- A private link to the receipts of one participant.
CREATE TABLE receipt_links (
    id             TEXT NOT NULL PRIMARY KEY,
    participant_id TEXT NOT NULL REFERENCES participants (id),
    secret_hash    TEXT NOT NULL,
    created_at     INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL
) STRICT;
CREATE INDEX receipt_links_by_participant ON receipt_links (participant_id, created_at);

-- A decision is about a consultation, and about one recording where it is about one; it says what was permitted and what denied, for whom,
-- and carries the statement that was signed in the person's own browser.
ALTER TABLE consents ALTER COLUMN recording_id DROP NOT NULL;
ALTER TABLE consents ADD COLUMN permitted TEXT NOT NULL DEFAULT '';
ALTER TABLE consents ADD COLUMN denied TEXT NOT NULL DEFAULT '';
ALTER TABLE consents ADD COLUMN shown TEXT NOT NULL DEFAULT '';
ALTER TABLE consents ADD COLUMN capacity TEXT NOT NULL DEFAULT 'self';
ALTER TABLE consents ADD COLUMN method TEXT NOT NULL DEFAULT 'unsigned';
ALTER TABLE consents ADD COLUMN sealed_statement BYTEA;
ALTER TABLE consents ADD COLUMN algorithm TEXT;
ALTER TABLE consents ADD COLUMN public_key BYTEA;
ALTER TABLE consents ADD COLUMN signature BYTEA;
ALTER TABLE consents ADD COLUMN entry_id TEXT;
ALTER TABLE consents DISABLE TRIGGER USER;
UPDATE consents SET
    permitted = CASE decision WHEN 'permit' THEN 'recording_audio recording_video' ELSE '' END,
    denied = CASE decision WHEN 'permit' THEN '' ELSE 'recording_audio recording_video' END;
ALTER TABLE consents ENABLE TRIGGER USER;
ALTER TABLE consents ALTER COLUMN permitted DROP DEFAULT;
ALTER TABLE consents ALTER COLUMN denied DROP DEFAULT;
ALTER TABLE consents ALTER COLUMN shown DROP DEFAULT;
ALTER TABLE consents ALTER COLUMN capacity DROP DEFAULT;
ALTER TABLE consents ALTER COLUMN method DROP DEFAULT;
CREATE INDEX consents_by_participant ON consents (participant_id, decided_at);
CREATE INDEX consents_by_consultation ON consents (consultation_id, decided_at);
CREATE INDEX consents_by_time ON consents (decided_at, id);

-- The words a recording was asked with, and what becomes of it once someone has withdrawn: keep, keep_until_review or destroy.
ALTER TABLE recordings ADD COLUMN text TEXT NOT NULL DEFAULT 'recording-audio-video';
ALTER TABLE recordings ADD COLUMN version TEXT NOT NULL DEFAULT '1';
ALTER TABLE recordings ADD COLUMN withdrawn TEXT;

-- A private link to the receipts of one participant.
CREATE TABLE receipt_links (
    id             TEXT NOT NULL PRIMARY KEY,
    participant_id TEXT NOT NULL REFERENCES participants (id),
    secret_hash    TEXT NOT NULL,
    created_at     BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL
);
CREATE INDEX receipt_links_by_participant ON receipt_links (participant_id, created_at);

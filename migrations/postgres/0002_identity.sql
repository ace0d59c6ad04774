-- Passwords move out of the accounts: an account may have none, and sign in with a passkey or through an identity provider.
CREATE TABLE account_passwords (
    account_id     TEXT NOT NULL PRIMARY KEY REFERENCES accounts (id),
    hash           TEXT NOT NULL,
    pepper_version BIGINT NOT NULL,
    stands_alone   BIGINT NOT NULL,
    changed_at     BIGINT NOT NULL
);
INSERT INTO account_passwords (account_id, hash, pepper_version, stands_alone, changed_at) SELECT id, password_hash, 0, 1, created_at FROM accounts;
ALTER TABLE accounts DROP COLUMN password_hash;

-- A sign-in session knows how it came about, from where, and when its owner last proved who they are.
ALTER TABLE sign_in_sessions ADD COLUMN method TEXT NOT NULL DEFAULT 'password';
ALTER TABLE sign_in_sessions ADD COLUMN assurance TEXT NOT NULL DEFAULT 'single';
ALTER TABLE sign_in_sessions ADD COLUMN proved_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sign_in_sessions ADD COLUMN client TEXT NOT NULL DEFAULT '';
ALTER TABLE sign_in_sessions ADD COLUMN network TEXT NOT NULL DEFAULT '';
ALTER TABLE sign_in_sessions ADD COLUMN provider TEXT;
ALTER TABLE sign_in_sessions ADD COLUMN provider_subject TEXT;
ALTER TABLE sign_in_sessions ADD COLUMN provider_session TEXT;
CREATE INDEX sign_in_sessions_by_end ON sign_in_sessions (ended_at);
CREATE INDEX sign_in_sessions_by_account ON sign_in_sessions (account_id, created_at);

-- A single-use link with which someone sets the password of their account.
CREATE TABLE account_links (
    id          TEXT NOT NULL PRIMARY KEY,
    account_id  TEXT NOT NULL REFERENCES accounts (id),
    secret_hash TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    used_at     BIGINT
);
CREATE INDEX account_links_by_account ON account_links (account_id);

CREATE TABLE passkeys (
    id            TEXT NOT NULL PRIMARY KEY,
    account_id    TEXT NOT NULL REFERENCES accounts (id),
    credential_id TEXT NOT NULL UNIQUE,
    name          TEXT NOT NULL,
    credential    TEXT NOT NULL,
    created_at    BIGINT NOT NULL,
    last_used_at  BIGINT
);
CREATE INDEX passkeys_by_account ON passkeys (account_id, created_at);

-- The secret of an authenticator app (RFC 6238), sealed; last_step is the newest code that was used, so that none is used twice.
CREATE TABLE authenticator_apps (
    account_id    TEXT NOT NULL PRIMARY KEY REFERENCES accounts (id),
    sealed_secret BYTEA NOT NULL,
    last_step     BIGINT NOT NULL,
    created_at    BIGINT NOT NULL,
    last_used_at  BIGINT
);

CREATE TABLE recovery_codes (
    code_hash  TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    created_at BIGINT NOT NULL,
    used_at    BIGINT
);
CREATE INDEX recovery_codes_by_account ON recovery_codes (account_id);

-- Who an identity provider's subject is here.
CREATE TABLE provider_identities (
    issuer     TEXT NOT NULL,
    subject    TEXT NOT NULL,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    created_at BIGINT NOT NULL,
    PRIMARY KEY (issuer, subject)
);

-- Logout tokens that were obeyed, until they would have expired anyway: none is obeyed twice.
CREATE TABLE logout_tokens (
    issuer     TEXT NOT NULL,
    token_id   TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (issuer, token_id)
);

CREATE TABLE emergency_accesses (
    id              TEXT NOT NULL PRIMARY KEY,
    account_id      TEXT NOT NULL REFERENCES accounts (id),
    consultation_id TEXT NOT NULL REFERENCES consultations (id),
    reason          TEXT NOT NULL,
    sealed_words    BYTEA NOT NULL,
    taken_at        BIGINT NOT NULL,
    expires_at      BIGINT NOT NULL,
    ended_at        BIGINT,
    seen_by         TEXT REFERENCES accounts (id),
    seen_at         BIGINT
);
CREATE INDEX emergency_accesses_by_consultation ON emergency_accesses (consultation_id, account_id, expires_at);

-- An auditor's word that the log was looked through up to a place in it.
CREATE TABLE log_reviews (
    id          TEXT NOT NULL PRIMARY KEY,
    account_id  TEXT NOT NULL REFERENCES accounts (id),
    log_size    BIGINT NOT NULL,
    finding     TEXT NOT NULL,
    note        TEXT NOT NULL,
    reviewed_at BIGINT NOT NULL
);

CREATE TABLE legal_holds (
    id           TEXT NOT NULL PRIMARY KEY,
    recording_id TEXT NOT NULL REFERENCES recordings (id),
    reason       TEXT NOT NULL,
    placed_by    TEXT NOT NULL REFERENCES accounts (id),
    placed_at    BIGINT NOT NULL,
    released_by  TEXT REFERENCES accounts (id),
    released_at  BIGINT
);
CREATE INDEX legal_holds_by_recording ON legal_holds (recording_id);

-- Leave for one more person to watch a recording, for a while.
CREATE TABLE playback_grants (
    id           TEXT NOT NULL PRIMARY KEY,
    recording_id TEXT NOT NULL REFERENCES recordings (id),
    account_id   TEXT NOT NULL REFERENCES accounts (id),
    reason       TEXT NOT NULL,
    granted_by   TEXT NOT NULL REFERENCES accounts (id),
    granted_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    ended_at     BIGINT
);
CREATE INDEX playback_grants_by_recording ON playback_grants (recording_id, account_id, expires_at);

-- What a participant of this invitation may do, and the code they must give as well if there is one.
ALTER TABLE invitations ADD COLUMN capabilities TEXT NOT NULL DEFAULT 'publish_audio publish_video share_screen chat send_files';
ALTER TABLE invitations ADD COLUMN code_hash TEXT;
ALTER TABLE invitations ADD COLUMN code_tries BIGINT NOT NULL DEFAULT 0;
ALTER TABLE participants ADD COLUMN capabilities TEXT NOT NULL DEFAULT 'publish_audio publish_video share_screen chat send_files';

-- A code with which someone moves their place to another device.
CREATE TABLE device_codes (
    participant_id TEXT NOT NULL PRIMARY KEY REFERENCES participants (id),
    code_hash      TEXT NOT NULL,
    tries          BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL
);

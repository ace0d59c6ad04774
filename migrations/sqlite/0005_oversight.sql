-- What was asked for under a key that a request carried: the key serves that and nothing else.
ALTER TABLE audit_requests ADD COLUMN body_hash TEXT;

-- Personal values stand in an entry as salted hashes; what they are of is sealed beside it, under the evidence key of one subject. Both the
-- sealed values and the term a network address is found by can be wiped; nothing else of an entry can change.
DROP TRIGGER audit_entries_never_change;
ALTER TABLE audit_entries DROP COLUMN search_text;
ALTER TABLE audit_entries ADD COLUMN subject_id TEXT;
ALTER TABLE audit_entries ADD COLUMN disclosures BLOB;
ALTER TABLE audit_entries ADD COLUMN network_term TEXT;
CREATE INDEX audit_entries_by_subject ON audit_entries (subject_id) WHERE subject_id IS NOT NULL;
CREATE TRIGGER audit_entries_never_change BEFORE UPDATE ON audit_entries
WHEN NEW.id <> OLD.id OR NEW.at <> OLD.at OR NEW.event <> OLD.event OR NEW.action <> OLD.action OR NEW.outcome <> OLD.outcome
  OR NEW.body <> OLD.body OR NEW.subject_id IS NOT OLD.subject_id
  OR (NEW.disclosures IS NOT NULL AND NEW.disclosures IS NOT OLD.disclosures)
  OR (NEW.network_term IS NOT NULL AND NEW.network_term IS NOT OLD.network_term)
  OR (OLD.leaf_index IS NOT NULL AND NEW.leaf_index IS NOT OLD.leaf_index)
BEGIN SELECT RAISE(ABORT, 'audit entries are append-only'); END;

-- The tree as C2SP tiles of up to 256 hashes. A tile only grows. The sequencer makes them anew from the entries where they are missing.
DROP TABLE audit_hashes;
CREATE TABLE audit_tiles (
    level      INTEGER NOT NULL,
    tile_index INTEGER NOT NULL,
    hashes     BLOB NOT NULL,
    PRIMARY KEY (level, tile_index)
) STRICT;
CREATE TRIGGER audit_tiles_never_go BEFORE DELETE ON audit_tiles
BEGIN SELECT RAISE(ABORT, 'audit tiles are append-only'); END;
CREATE TRIGGER audit_tiles_only_grow BEFORE UPDATE ON audit_tiles
WHEN NEW.level <> OLD.level OR NEW.tile_index <> OLD.tile_index OR substr(NEW.hashes, 1, length(OLD.hashes)) <> OLD.hashes
BEGIN SELECT RAISE(ABORT, 'audit tiles are append-only'); END;

-- Of the checkpoints, the newest is kept, and one for every thousand entries or hour: every other one follows from those.
ALTER TABLE audit_checkpoints ADD COLUMN lasting INTEGER NOT NULL DEFAULT 1;

-- Who may give entries their place, until when. SQLite needs no row here: a lock on a file beside the database says it.
CREATE TABLE audit_lease (
    name       TEXT NOT NULL PRIMARY KEY,
    holder     TEXT NOT NULL,
    term       INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

-- Requests that carried a key of their own and were done: repeating one does nothing.
CREATE TABLE audit_requests (
    key_hash TEXT NOT NULL PRIMARY KEY,
    entry_id TEXT NOT NULL,
    at       INTEGER NOT NULL
) STRICT;
CREATE INDEX audit_requests_by_time ON audit_requests (at);

-- What entries are found by; follows from them and can be made anew. Names (people, things, events, networks) have a number each.
CREATE TABLE audit_names (
    id   INTEGER NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    uses INTEGER NOT NULL,
    UNIQUE (kind, name)
) STRICT;
CREATE TABLE audit_index (
    leaf_index INTEGER NOT NULL PRIMARY KEY,
    at         INTEGER NOT NULL,
    event      INTEGER NOT NULL,
    area       INTEGER NOT NULL,
    action     INTEGER NOT NULL,
    outcome    INTEGER NOT NULL,
    agent      INTEGER NOT NULL,
    network    INTEGER NOT NULL,
    request    INTEGER NOT NULL
) STRICT;
CREATE INDEX audit_index_by_time ON audit_index (at);
CREATE INDEX audit_index_by_request ON audit_index (request) WHERE request <> 0;
CREATE TABLE audit_mentions (
    name       INTEGER NOT NULL,
    leaf_index INTEGER NOT NULL,
    PRIMARY KEY (name, leaf_index)
) STRICT, WITHOUT ROWID;

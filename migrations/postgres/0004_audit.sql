-- Personal values stand in an entry as salted hashes; what they are of is sealed beside it, under the evidence key of one subject. Both the
-- sealed values and the term a network address is found by can be wiped; nothing else of an entry can change.
DROP TRIGGER audit_entries_never_change ON audit_entries;
ALTER TABLE audit_entries DROP COLUMN search_text;
ALTER TABLE audit_entries ADD COLUMN subject_id TEXT;
ALTER TABLE audit_entries ADD COLUMN disclosures BYTEA;
ALTER TABLE audit_entries ADD COLUMN network_term TEXT;
CREATE INDEX audit_entries_by_subject ON audit_entries (subject_id) WHERE subject_id IS NOT NULL;
CREATE TRIGGER audit_entries_never_change BEFORE UPDATE ON audit_entries FOR EACH ROW
    WHEN (NEW.id <> OLD.id OR NEW.at <> OLD.at OR NEW.event <> OLD.event OR NEW.action <> OLD.action OR NEW.outcome <> OLD.outcome
      OR NEW.body <> OLD.body OR NEW.subject_id IS DISTINCT FROM OLD.subject_id
      OR (NEW.disclosures IS NOT NULL AND NEW.disclosures IS DISTINCT FROM OLD.disclosures)
      OR (NEW.network_term IS NOT NULL AND NEW.network_term IS DISTINCT FROM OLD.network_term)
      OR (OLD.leaf_index IS NOT NULL AND NEW.leaf_index IS DISTINCT FROM OLD.leaf_index))
    EXECUTE FUNCTION refuse_change();
-- Entries that wait for their place come and go quickly.
ALTER TABLE audit_entries SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 10000);

-- The tree as C2SP tiles of up to 256 hashes. A tile only grows. The sequencer makes them anew from the entries where they are missing.
DROP TABLE audit_hashes;
CREATE TABLE audit_tiles (
    level      BIGINT NOT NULL,
    tile_index BIGINT NOT NULL,
    hashes     BYTEA NOT NULL,
    PRIMARY KEY (level, tile_index)
);
CREATE TRIGGER audit_tiles_never_go BEFORE DELETE ON audit_tiles FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_tiles_never_truncate BEFORE TRUNCATE ON audit_tiles EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_tiles_only_grow BEFORE UPDATE ON audit_tiles FOR EACH ROW
    WHEN (NEW.level <> OLD.level OR NEW.tile_index <> OLD.tile_index
      OR substring(NEW.hashes FROM 1 FOR length(OLD.hashes)) <> OLD.hashes)
    EXECUTE FUNCTION refuse_change();

-- Of the checkpoints, the newest is kept, and one for every thousand entries or hour: every other one follows from those.
ALTER TABLE audit_checkpoints ADD COLUMN lasting BIGINT NOT NULL DEFAULT 1;

-- Who may give entries their place, until when.
CREATE TABLE audit_lease (
    name       TEXT NOT NULL PRIMARY KEY,
    holder     TEXT NOT NULL,
    term       BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

-- Requests that carried a key of their own and were done: repeating one does nothing.
CREATE TABLE audit_requests (
    key_hash TEXT NOT NULL PRIMARY KEY,
    entry_id TEXT NOT NULL,
    at       BIGINT NOT NULL
);
CREATE INDEX audit_requests_by_time ON audit_requests (at);

-- What entries are found by; follows from them and can be made anew. Names (people, things, events, networks) have a number each.
CREATE TABLE audit_names (
    id   BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    uses BIGINT NOT NULL,
    UNIQUE (kind, name)
);
CREATE TABLE audit_index (
    leaf_index BIGINT NOT NULL PRIMARY KEY,
    at         BIGINT NOT NULL,
    event      BIGINT NOT NULL,
    area       BIGINT NOT NULL,
    action     BIGINT NOT NULL,
    outcome    BIGINT NOT NULL,
    agent      BIGINT NOT NULL,
    network    BIGINT NOT NULL,
    request    BIGINT NOT NULL
);
CREATE INDEX audit_index_by_time ON audit_index (at);
CREATE INDEX audit_index_by_request ON audit_index (request) WHERE request <> 0;
CREATE TABLE audit_mentions (
    name       BIGINT NOT NULL,
    leaf_index BIGINT NOT NULL,
    PRIMARY KEY (name, leaf_index)
);

-- Defence in depth: a transaction that changed anything that people rely on must have written an audit entry, or it does not commit.
CREATE FUNCTION note_entry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('bedside.audited', pg_current_xact_id()::text, true);
    RETURN NULL;
END $$;
CREATE TRIGGER audit_entries_are_noted AFTER INSERT ON audit_entries FOR EACH STATEMENT EXECUTE FUNCTION note_entry();
CREATE FUNCTION refuse_unaudited() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('bedside.audited', true) IS DISTINCT FROM pg_current_xact_id()::text THEN
        RAISE EXCEPTION 'a change of % needs an audit entry in the same transaction', TG_TABLE_NAME;
    END IF;
    RETURN NULL;
END $$;
DO $$
DECLARE
    name TEXT;
BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename NOT LIKE 'audit\_%' AND tablename NOT LIKE '\_%' LOOP
        EXECUTE format('CREATE CONSTRAINT TRIGGER %I AFTER INSERT OR UPDATE OR DELETE ON %I DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION refuse_unaudited()', name || '_audited', name);
    END LOOP;
END $$;

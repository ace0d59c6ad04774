-- What entries are found by, as sets of places: one row for each name and block of 8,192 places. What is asked for is met by intersecting sets,
-- however many entries each of its names has. All of it is made anew from the entries.
DROP TABLE audit_mentions;
DROP TABLE audit_index;
TRUNCATE audit_activity, audit_names;
CREATE TABLE audit_index (
    leaf_index BIGINT NOT NULL PRIMARY KEY,
    at         BIGINT NOT NULL,
    request    BIGINT NOT NULL
);
CREATE INDEX audit_index_by_request ON audit_index (request) WHERE request <> 0;
CREATE TABLE audit_blocks (
    block    BIGINT NOT NULL PRIMARY KEY,
    first_at BIGINT NOT NULL,
    last_at  BIGINT NOT NULL
);
-- The sets of the newest block are written again as it fills.
CREATE TABLE audit_places (
    name   BIGINT NOT NULL,
    block  BIGINT NOT NULL,
    places BYTEA NOT NULL,
    PRIMARY KEY (name, block)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000);
ALTER TABLE audit_places ALTER COLUMN places SET STORAGE PLAIN;
CREATE INDEX audit_places_by_block ON audit_places (block);

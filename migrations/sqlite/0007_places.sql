-- What entries are found by, as sets of places: one row for each name and block of 8,192 places. What is asked for is met by intersecting sets,
-- however many entries each of its names has. All of it is made anew from the entries.
DROP TABLE audit_mentions;
DROP TABLE audit_index;
DELETE FROM audit_activity;
DELETE FROM audit_names;
CREATE TABLE audit_index (
    leaf_index INTEGER NOT NULL PRIMARY KEY,
    at         INTEGER NOT NULL,
    request    INTEGER NOT NULL
) STRICT;
CREATE INDEX audit_index_by_request ON audit_index (request) WHERE request <> 0;
CREATE TABLE audit_blocks (
    block    INTEGER NOT NULL PRIMARY KEY,
    first_at INTEGER NOT NULL,
    last_at  INTEGER NOT NULL
) STRICT;
CREATE TABLE audit_places (
    name   INTEGER NOT NULL,
    block  INTEGER NOT NULL,
    places BLOB NOT NULL,
    PRIMARY KEY (name, block)
) STRICT;
CREATE INDEX audit_places_by_block ON audit_places (block);

-- Of the checkpoints, those that do not stay are looked for in every round of the sequencer.
CREATE INDEX audit_checkpoints_passing ON audit_checkpoints (size) WHERE lasting = 0;

-- As before, for less: an assignment is evaluated where a statement would be run.
CREATE OR REPLACE FUNCTION note_entry() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    noted TEXT;
BEGIN
    noted := set_config('bedside.audited', pg_current_xact_id()::text, true);
    RETURN NULL;
END $$;

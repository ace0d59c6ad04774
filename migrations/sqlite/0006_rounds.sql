-- Of the checkpoints, those that do not stay are looked for in every round of the sequencer.
CREATE INDEX audit_checkpoints_passing ON audit_checkpoints (size) WHERE lasting = 0;

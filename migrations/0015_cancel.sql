-- What a queued machine goes back to when its install is cancelled: a state as JSON.
ALTER TABLE machines ADD COLUMN before_queued TEXT;

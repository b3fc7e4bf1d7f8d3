-- A root that is trusted no more. Its key was wiped when the next one took over.
ALTER TABLE authorities ADD COLUMN retired_at INTEGER;
-- This root signed by the one before it: whoever knows only that one follows the chain.
ALTER TABLE authorities ADD COLUMN cross_pem TEXT;

-- What changed on a host, as sentences for people.
CREATE TABLE server_history (
  id INTEGER PRIMARY KEY,
  server TEXT NOT NULL REFERENCES servers (name) ON DELETE CASCADE,
  at INTEGER NOT NULL,
  what TEXT NOT NULL
) STRICT;
CREATE INDEX server_history_by_server ON server_history (server, id);

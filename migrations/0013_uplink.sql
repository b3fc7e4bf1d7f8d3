-- Bastions elsewhere: their certificates, what they tell of their machines, and, on their side, what is yet to be told.

-- The same table with one more holder, 'bastion': a CHECK cannot be changed in place.
CREATE TABLE certificates_next (
  fingerprint TEXT PRIMARY KEY,
  serial TEXT NOT NULL UNIQUE,
  authority_id INTEGER NOT NULL REFERENCES authorities (id),
  holder TEXT NOT NULL CHECK (holder IN ('server', 'agent', 'bastion', 'user')),
  name TEXT NOT NULL,
  issued_at INTEGER NOT NULL,
  not_after INTEGER NOT NULL,
  revoked_at INTEGER,
  revoked_because TEXT
) STRICT;
INSERT INTO certificates_next SELECT
  fingerprint, serial, authority_id, holder, name, issued_at, not_after, revoked_at, revoked_because
FROM certificates;
DROP TABLE certificates;
ALTER TABLE certificates_next RENAME TO certificates;
CREATE INDEX certificates_by_name ON certificates (holder, name);

CREATE TABLE bastions (
  name TEXT PRIMARY KEY,
  enrolled_at INTEGER NOT NULL,
  version TEXT,
  address TEXT,
  seen_at INTEGER,
  -- Which of its outboxes `taken` counts in: one that was made anew counts from the start.
  outbox TEXT,
  -- Everything up to this number was stored here.
  taken INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE remote_machines (
  bastion TEXT NOT NULL REFERENCES bastions (name) ON DELETE CASCADE,
  mac TEXT NOT NULL,
  -- As the bastion last told it, its current install with it.
  record TEXT NOT NULL,
  -- Log lines the bastion could not keep until they were told.
  lost INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (bastion, mac)
) STRICT;

-- Stages and batches of log lines, by the numbers they have on their bastion.
CREATE TABLE remote_events (
  bastion TEXT NOT NULL,
  mac TEXT NOT NULL,
  event INTEGER NOT NULL,
  install TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('stage', 'lines')),
  -- Numbers it takes: lines, or 1.
  count INTEGER NOT NULL,
  fact TEXT NOT NULL,
  PRIMARY KEY (bastion, mac, event),
  FOREIGN KEY (bastion, mac) REFERENCES remote_machines (bastion, mac) ON DELETE CASCADE
) STRICT;

-- On a bastion: facts labd has not acknowledged yet, in the order in which they came true.
CREATE TABLE outbox (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL,
  mac TEXT NOT NULL,
  -- Of two facts about a machine with the same one, the later says it all; NULL: both count.
  supersedes TEXT,
  -- Log lines in it.
  lines INTEGER NOT NULL,
  fact TEXT NOT NULL
) STRICT;
CREATE INDEX outbox_by_machine ON outbox (mac, supersedes);
CREATE TABLE outbox_state (
  id TEXT PRIMARY KEY,
  acknowledged INTEGER NOT NULL
) STRICT;

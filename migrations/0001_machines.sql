-- Times are milliseconds since the epoch. A machine is kept under the MAC it was first seen with.
CREATE TABLE machines (
  mac TEXT PRIMARY KEY,
  name TEXT UNIQUE,
  state TEXT NOT NULL,
  state_since INTEGER NOT NULL,
  install TEXT,
  stage TEXT,
  reason TEXT,
  heard_at INTEGER,
  first_seen_at INTEGER NOT NULL,
  seen_at INTEGER NOT NULL,
  uuid TEXT,
  serial TEXT,
  summary TEXT,
  inventory TEXT,
  boot_options TEXT
) STRICT;

CREATE TABLE machine_nics (
  mac TEXT PRIMARY KEY,
  machine TEXT NOT NULL REFERENCES machines (mac) ON DELETE CASCADE
) STRICT;
CREATE INDEX machine_nics_machine ON machine_nics (machine);

CREATE TABLE machine_history (
  id INTEGER PRIMARY KEY,
  machine TEXT NOT NULL REFERENCES machines (mac) ON DELETE CASCADE,
  at INTEGER NOT NULL,
  what TEXT NOT NULL
) STRICT;
CREATE INDEX machine_history_machine ON machine_history (machine, id);

CREATE TABLE installs (
  id TEXT PRIMARY KEY,
  machine TEXT NOT NULL REFERENCES machines (mac) ON DELETE CASCADE,
  os TEXT NOT NULL,
  spec TEXT NOT NULL,
  queued_at INTEGER NOT NULL,
  started_at INTEGER,
  ended_at INTEGER,
  outcome TEXT,
  reason TEXT,
  -- Sequence numbers that were skipped, as [[from, to], …], and how many are given up.
  gaps TEXT NOT NULL DEFAULT '[]',
  lost INTEGER NOT NULL DEFAULT 0,
  -- Milliseconds by stage, once it ended well.
  durations TEXT
) STRICT;
CREATE INDEX installs_machine ON installs (machine, queued_at);
CREATE INDEX installs_os ON installs (os, outcome, ended_at);

CREATE TABLE install_tokens (
  -- SHA-256 of the token; the token itself is nowhere.
  hash TEXT PRIMARY KEY,
  install TEXT NOT NULL REFERENCES installs (id) ON DELETE CASCADE,
  mac TEXT NOT NULL,
  firmware TEXT NOT NULL,
  arch TEXT NOT NULL,
  base_url TEXT NOT NULL,
  issued_at INTEGER NOT NULL,
  claimed_at INTEGER,
  served TEXT NOT NULL DEFAULT '[]'
) STRICT;
CREATE INDEX install_tokens_install ON install_tokens (install, issued_at);

-- `event` numbers what happened to a machine, stages and log lines alike, in the order of arrival.
CREATE TABLE install_stages (
  install TEXT NOT NULL REFERENCES installs (id) ON DELETE CASCADE,
  seq INTEGER NOT NULL,
  event INTEGER NOT NULL,
  stage TEXT NOT NULL,
  outcome TEXT NOT NULL,
  message TEXT,
  at INTEGER NOT NULL,
  PRIMARY KEY (install, seq)
) STRICT;

-- One row for each accepted batch: lines are written and dropped by the batch, never one by one.
CREATE TABLE install_logs (
  machine TEXT NOT NULL REFERENCES machines (mac) ON DELETE CASCADE,
  -- Of the first line; the others follow.
  event INTEGER NOT NULL,
  install TEXT NOT NULL,
  count INTEGER NOT NULL,
  -- Lines of the machine up to and with this batch, and of the install.
  machine_total INTEGER NOT NULL,
  install_total INTEGER NOT NULL,
  -- The highest sequence number of the install so far.
  highest INTEGER NOT NULL,
  at INTEGER NOT NULL,
  -- [[seq, text, source?], …]
  lines TEXT NOT NULL,
  PRIMARY KEY (machine, event)
) STRICT;

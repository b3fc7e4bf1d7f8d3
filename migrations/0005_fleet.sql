-- Hosts that enrolled. What they report by the second is kept in memory.
CREATE TABLE servers (
  name TEXT PRIMARY KEY,
  -- {"site": "a"}
  labels TEXT NOT NULL,
  -- ["52:54:00:12:34:56"]
  macs TEXT NOT NULL,
  enrolled_at INTEGER NOT NULL,
  agent_version TEXT,
  address TEXT,
  -- Written when it connects, leaves, and now and then in between.
  seen_at INTEGER,
  facts TEXT,
  facts_at INTEGER
) STRICT;

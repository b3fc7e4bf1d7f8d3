-- Browsers that are logged in, and command lines that ask to be.

CREATE TABLE sessions (
  id TEXT PRIMARY KEY,
  -- As its principal is called: 'user/alice', 'local/root'.
  subject TEXT NOT NULL,
  -- SHA-256 of the one-time link; NULL once it was followed.
  link_hash TEXT UNIQUE,
  link_until INTEGER NOT NULL,
  -- SHA-256 of the cookie; NULL until the link is followed.
  cookie_hash TEXT UNIQUE,
  from_address TEXT NOT NULL,
  browser TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  -- When somebody last opened a page with it; it ends a while after, and in any case at ends_at.
  seen_at INTEGER NOT NULL,
  ends_at INTEGER NOT NULL,
  -- Logged out, or taken back.
  ended_at INTEGER
) STRICT;
CREATE INDEX sessions_by_subject ON sessions (subject);

-- After RFC 8628: a command line waits until somebody who is logged in lets it in.
CREATE TABLE device_logins (
  -- SHA-256 of the device code, which the command line alone knows.
  device_hash TEXT PRIMARY KEY,
  -- What its user reads out: 'BCDFGHJK'.
  user_code TEXT NOT NULL UNIQUE,
  csr TEXT NOT NULL,
  host TEXT NOT NULL,
  from_address TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  -- Milliseconds between two polls; grows when it asks too often.
  poll_interval INTEGER NOT NULL,
  polled_at INTEGER,
  state TEXT NOT NULL CHECK (state IN ('pending', 'granted', 'denied')),
  -- The user it becomes, once granted.
  subject TEXT
) STRICT;

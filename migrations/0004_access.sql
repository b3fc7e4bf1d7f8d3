-- Who may do what, and what was done.

CREATE TABLE authorities (
  id INTEGER PRIMARY KEY,
  pem TEXT NOT NULL,
  -- PKCS #8, sealed with AES-256-GCM under the key the operator keeps elsewhere.
  sealed_key TEXT NOT NULL,
  fingerprint TEXT NOT NULL UNIQUE,
  -- 'active' signs; 'trusted' only verifies, before and after its turn.
  state TEXT NOT NULL CHECK (state IN ('active', 'trusted')),
  created_at INTEGER NOT NULL,
  not_after INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX authorities_one_active ON authorities (state) WHERE state = 'active';

CREATE TABLE certificates (
  fingerprint TEXT PRIMARY KEY,
  serial TEXT NOT NULL UNIQUE,
  authority_id INTEGER NOT NULL REFERENCES authorities (id),
  holder TEXT NOT NULL CHECK (holder IN ('server', 'agent', 'user')),
  name TEXT NOT NULL,
  issued_at INTEGER NOT NULL,
  not_after INTEGER NOT NULL,
  revoked_at INTEGER,
  revoked_because TEXT
) STRICT;
CREATE INDEX certificates_by_name ON certificates (holder, name);

CREATE TABLE users (
  name TEXT PRIMARY KEY,
  created_at INTEGER NOT NULL,
  disabled_at INTEGER
) STRICT;

CREATE TABLE group_members (
  group_name TEXT NOT NULL,
  user_name TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE,
  PRIMARY KEY (group_name, user_name)
) STRICT;

CREATE TABLE roles (
  name TEXT PRIMARY KEY,
  summary TEXT NOT NULL,
  grants TEXT NOT NULL
) STRICT;

CREATE TABLE role_bindings (
  subject_kind TEXT NOT NULL CHECK (subject_kind IN ('user', 'group', 'token')),
  subject TEXT NOT NULL,
  role TEXT NOT NULL,
  PRIMARY KEY (subject_kind, subject, role)
) STRICT;

CREATE TABLE tokens (
  id TEXT PRIMARY KEY,
  -- 'join' enrols an agent, 'login' a user, 'api' is a program's bearer, 'link' opens a page, 'session' keeps it open.
  kind TEXT NOT NULL CHECK (kind IN ('join', 'login', 'api', 'link', 'session')),
  -- SHA-256 of the secret; the secret itself is shown once and kept nowhere.
  hash TEXT NOT NULL UNIQUE,
  description TEXT NOT NULL,
  -- The user it stands for; empty for 'join' and 'api'.
  subject TEXT NOT NULL,
  -- What a join token gives its agent: {"labels": {...}, "mac": "...", "name": "..."}.
  scope TEXT NOT NULL,
  created_by TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  -- NULL: as often as wanted until it expires.
  uses_left INTEGER,
  revoked_at INTEGER,
  last_used_at INTEGER
) STRICT;

CREATE TABLE audit (
  seq INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  actor TEXT NOT NULL,
  session TEXT,
  from_address TEXT NOT NULL,
  action TEXT NOT NULL,
  resource TEXT NOT NULL,
  result TEXT NOT NULL CHECK (result IN ('allowed', 'refused', 'failed')),
  detail TEXT,
  duration INTEGER NOT NULL,
  request_id TEXT NOT NULL,
  hash TEXT NOT NULL
) STRICT;
CREATE INDEX audit_by_actor ON audit (actor, seq);
CREATE INDEX audit_by_time ON audit (at);

-- What was asked with an Idempotency-Key, and what it was answered, for a day.
CREATE TABLE idempotency_keys (
  -- Who asked: `user/alice`.
  identity TEXT NOT NULL,
  -- SHA-256 of the key: the key itself opens the answer, and is kept nowhere.
  key_hash TEXT NOT NULL,
  -- SHA-256 of method, target and body.
  fingerprint TEXT NOT NULL,
  -- The request that holds it; its deed is in the audit once it is done.
  request_id TEXT NOT NULL,
  -- The audit's last record when it was reserved: the deed comes after it.
  audit_seq INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  -- NULL until it is answered.
  status INTEGER,
  content_type TEXT,
  -- AES-256-GCM under a key that is derived from the idempotency key.
  sealed_answer TEXT,
  PRIMARY KEY (identity, key_hash)
) STRICT;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

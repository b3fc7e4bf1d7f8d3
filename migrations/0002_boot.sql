-- Addresses handed out by DHCP. Times are milliseconds since the epoch; addresses are dotted.
CREATE TABLE dhcp_leases (
  address    TEXT PRIMARY KEY,
  network    TEXT NOT NULL,
  mac        TEXT NOT NULL,
  state      TEXT NOT NULL CHECK (state IN ('bound', 'released', 'declined')),
  expires_at BIGINT NOT NULL,
  hostname   TEXT
);
CREATE INDEX dhcp_leases_by_mac ON dhcp_leases (mac, network);

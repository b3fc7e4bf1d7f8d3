-- What each machine did from its first DHCPDISCOVER on. Times are milliseconds since the epoch.
CREATE TABLE boots (
  id         BIGINT PRIMARY KEY,
  mac        TEXT NOT NULL,
  started_at BIGINT NOT NULL,
  last_at    BIGINT NOT NULL,
  -- How far it came: 0 DHCP, 1 loader, 2 script, 3 kernel, 4 system.
  phase      BIGINT NOT NULL,
  -- Facts that found no room.
  dropped    BIGINT NOT NULL
);
CREATE INDEX boots_by_mac ON boots (mac, id);
CREATE INDEX boots_by_phase ON boots (phase, id);
CREATE TABLE boot_facts (
  boot_id BIGINT NOT NULL REFERENCES boots (id) ON DELETE CASCADE,
  seq     BIGINT NOT NULL,
  last_at BIGINT NOT NULL,
  -- How often it happened in a row.
  times   BIGINT NOT NULL,
  fact    TEXT NOT NULL,
  PRIMARY KEY (boot_id, seq)
);

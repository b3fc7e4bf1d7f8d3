-- What the bastion can install from: disk images, and the network installers of distributions.
CREATE TABLE images (
  -- `debian-12`; with the kind, the file below the image directory: disks/NAME, installers/NAME/.
  name TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('disk', 'installer')),
  -- Of what is served, in bytes. An installer's are in `files`.
  size INTEGER NOT NULL,
  sha256 TEXT NOT NULL,
  -- A disk's size once unpacked.
  raw_size INTEGER,
  compression TEXT,
  -- Where it came from: a URL, a file's name, 'built'.
  source TEXT NOT NULL,
  -- Milliseconds since the epoch.
  added_at INTEGER NOT NULL,
  -- JSON: [{name, size, sha256}] of an installer.
  files TEXT NOT NULL DEFAULT '[]',
  PRIMARY KEY (kind, name)
) STRICT;

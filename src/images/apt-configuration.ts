/** Where a private apt keeps what the host's keeps under `/var` and `/etc/apt`. */
export interface AptFolders {
  state: string;
  cache: string;
  /** A file of pinning, see `aptPreferences`. */
  preferences: string;
  /** A folder without files: the host's hooks and preferences are not read. */
  empty: string;
  /** A dpkg status file without packages: nothing counts as installed. */
  status: string;
}

/** Of the host's settings: how to fetch, and where sources and keys are. Its hooks would run on the host. */
const kept = /^(Acquire::|Dir::Etc::(sourcelist|sourceparts|trusted|trustedparts|netrc|netrcparts)\b)/i;

/** Configuration for a private apt of `architecture`, from what `apt-config dump` says of the host's. */
export function renderAptConfiguration(hostDump: string, architecture: string, folders: AptFolders): string {
  const own: [key: string, value: string][] = [
    ["APT::Architecture", architecture],
    ["APT::Architectures::", architecture],
    ["APT::Sandbox::User", "root"],
    ["APT::Get::Assume-Yes", "true"],
    ["Acquire::Languages", "none"],
    ["Acquire::Retries", "3"],
    ["Dir::State", folders.state],
    ["Dir::State::status", folders.status],
    ["Dir::State::extended_states", `${folders.state}/extended_states`],
    ["Dir::Cache", folders.cache],
    ["Dir::Etc::main", "/dev/null"],
    ["Dir::Etc::parts", folders.empty],
    ["Dir::Etc::preferences", folders.preferences],
    ["Dir::Etc::preferencesparts", folders.empty],
  ];
  const host = hostDump.split("\n").filter((line) => kept.test(line) && / "[^"]+";$/.test(line));
  return [...host, ...own.map(([key, value]) => `${key} "${value}";`), ""].join("\n");
}

/** Debian's archives alone: a third party's package of the same name is not taken. */
export const aptPreferences = `Package: *
Pin: release o=Debian
Pin-Priority: 500

Package: *
Pin: release o=*
Pin-Priority: -10
`;

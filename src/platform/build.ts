declare const LABCTL_VERSION: string | undefined;
declare const LABCTL_COMMIT: string | undefined;
declare const LABCTL_BUILD_DATE: string | undefined;

/** What this executable was made of; `build.ts` writes the values in. */
export const build = {
  version: typeof LABCTL_VERSION === "string" ? LABCTL_VERSION : "0.0.0-source",
  commit: typeof LABCTL_COMMIT === "string" ? LABCTL_COMMIT : "unknown",
  date: typeof LABCTL_BUILD_DATE === "string" ? LABCTL_BUILD_DATE : "unknown",
} as const;

export const versionLine = `labctl ${build.version} (commit ${build.commit}, built ${build.date})`;

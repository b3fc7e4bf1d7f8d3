import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { AppError } from "../platform/errors.ts";

/** Where the key that seals the certificate authority comes from; there is no default one. */
export interface KeyPlaces {
  /** `LABCTL_CA_KEY`. */
  environment: string | undefined;
  /** systemd's `$CREDENTIALS_DIRECTORY`; the credential is called `ca-key`. */
  credentials: string | undefined;
  file: string | undefined;
}

/** @throws `config`, naming every place that was looked at. */
export function readCaKey({ environment, credentials, file }: KeyPlaces): { secret: string; origin: string } {
  const credential = credentials === undefined ? undefined : join(credentials, "ca-key");
  if (credential !== undefined && existsSync(credential)) {
    return { secret: readFileSync(credential, "utf8"), origin: "the systemd credential ca-key" };
  }
  if (file !== undefined && existsSync(file)) return { secret: readFileSync(file, "utf8"), origin: file };
  if (environment !== undefined && environment !== "")
    return { secret: environment, origin: "LABCTL_CA_KEY" };
  throw new AppError("config", "there is no key to seal the certificate authority with", {
    hint: `write one: openssl rand -hex 32 > ${file ?? "/etc/labctl/ca.key"} and chmod 600 it; or give the credential ca-key or LABCTL_CA_KEY`,
  });
}

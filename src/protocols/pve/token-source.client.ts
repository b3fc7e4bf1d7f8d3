import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { AppError } from "../../platform/errors.ts";
import { PveToken } from "./token.ts";

export interface TokenPlace {
  /** The cluster's name: of the credential `proxmox-NAME` and the variable `LABCTL_PROXMOX_NAME_TOKEN`. */
  cluster: string;
  file?: string | undefined;
  environment: Readonly<Record<string, string | undefined>>;
}

const variableOf = (cluster: string) =>
  `LABCTL_PROXMOX_${cluster.toUpperCase().replace(/[^A-Z0-9]/g, "_")}_TOKEN`;

/** A cluster's token: its file when one is named, else the systemd credential, else the environment. */
export function readToken({ cluster, file, environment }: TokenPlace): PveToken {
  if (file !== undefined) return PveToken.parse(readSecret(file), file);
  const credentials = environment.CREDENTIALS_DIRECTORY;
  const credential = credentials && join(credentials, `proxmox-${cluster}`);
  if (credential && existsSync(credential))
    return PveToken.parse(readFileSync(credential, "utf8"), credential);
  const variable = variableOf(cluster);
  const value = environment[variable];
  if (value) return PveToken.parse(value, variable);
  throw new AppError("config", `there is no token for the Proxmox cluster '${cluster}'`, {
    hint: `set proxmox.clusters.${cluster}.tokenFile, LoadCredential=proxmox-${cluster}:FILE in the unit, or ${variable}; ${makeOne}`,
  });
}

const makeOne = "`labctl proxmox role` prints how to make one";

function readSecret(file: string): string {
  try {
    const { mode } = statSync(file);
    if ((mode & 0o007) !== 0) {
      throw new AppError("config", `${file} holds a token and may be read by everybody`, {
        hint: `chmod 640 ${file}`,
      });
    }
    return readFileSync(file, "utf8");
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    throw new AppError("config", `${file}: ${cause instanceof Error ? cause.message : "cannot be read"}`, {
      hint: `it holds one line, user@realm!tokenid=uuid; ${makeOne}`,
      cause,
    });
  }
}

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import type { Enrolment, JoinOffer } from "../machines/service.ts";

type Machine = Parameters<Enrolment["offer"]>[0];

/** Lets installed machines join: by a token of `mint`, with this very executable, which the bastion serves. */
export interface OwnExecutable {
  /** By URL path below `/agent/`. */
  readonly executables: ReadonlyMap<string, string>;
  enrolment(mint: (machine: Machine) => Promise<Pick<JoinOffer, "server" | "token"> | undefined>): Enrolment;
}

export async function describeExecutable(executable: string): Promise<OwnExecutable> {
  const path = `${process.arch === "arm64" ? "arm64" : "x86_64"}/labctl`;
  const sha256 = await sha256Of(executable);
  const own = { executable: `/agent/${path}`, sha256 };
  return {
    executables: new Map([[path, executable]]),
    enrolment: (mint) => ({
      sample: {
        server: "192.0.2.1:8443",
        token: `labctl_join_${"x".repeat(43)}_${"0".repeat(64)}`,
        ...own,
      },
      async offer(machine) {
        const minted = await mint(machine);
        return minted && { ...minted, ...own };
      },
    }),
  };
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest("hex");
}

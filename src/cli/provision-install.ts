import { existsSync, readFileSync } from "node:fs";
import { machineSchema } from "../machines/api.ts";
import { AppError } from "../platform/errors.ts";
import { at, read } from "./client.ts";
import { outputFlag } from "./define.ts";
import { print, printRecord } from "./output.ts";
import { machineArgument } from "./provision-list.ts";
import { defineRemoteCommand } from "./remote.ts";
import { outputFormat, readYaml } from "./settings.ts";

export const install = defineRemoteCommand({
  summary: "queue an install; the machine's next network boot starts it",
  example:
    "labctl provision install 52:54:00:12:34:56 node1 --role worker --os debian-12 --disk largest --ssh-key ~/.ssh/id_ed25519.pub",
  args: {
    machine: { ...machineArgument, description: "MAC address, or the name it has" },
    name: { type: "positional", required: true, description: "host name it gets" },
    role: { type: "string", description: "worker, infra or plain (default): decides the disk's layout" },
    os: { type: "string", description: "debian-12, fedora-42, image:NAME …" },
    disk: { type: "string", description: "largest, /dev/…, or rules such as model=SSD,size>=200G" },
    "ssh-key": { type: "string", description: "public key or its file, for root and users; repeatable" },
    user: { type: "string", description: "an administrator's account; repeatable" },
    domain: { type: "string", description: "domain appended to the name" },
    address: { type: "string", description: "static address such as 10.0.0.5/24; DHCP without it" },
    gateway: { type: "string", description: "with --address" },
    dns: { type: "string", description: "with --address; repeatable" },
    wipe: { type: "boolean", description: "destroy the data volume of an earlier install too" },
    replace: {
      type: "boolean",
      description: "give up what is installed on it, or an install that is queued or running",
    },
    spec: {
      type: "string",
      description: "YAML file with any of these and more; flags win",
      valueHint: "FILE",
    },
    wait: { type: "boolean", description: "then wait for it to end" },
    ...outputFlag,
  },
  run: async (flags, { client, many }) => {
    const keys = many("ssh-key").map(readKey);
    const users = many("user").map((name) => ({ name }));
    const spec = {
      ...readSpec(flags.spec),
      name: flags.name,
      ...given("role", flags.role),
      ...given("os", flags.os),
      ...given("disk", flags.disk),
      ...given("domain", flags.domain),
      ...(keys.length > 0 && { sshKeys: keys }),
      ...(users.length > 0 && { users }),
      ...(flags.wipe === true && { wipe: true }),
      ...(flags.address !== undefined && {
        network: {
          kind: "static",
          address: flags.address,
          ...given("gateway", flags.gateway),
          dns: many("dns"),
        },
      }),
    };
    if (spec.os === undefined) {
      throw new AppError("usage", "--os is missing", {
        hint: "for example: --os debian-12 or --os image:NAME",
      });
    }
    const json = { spec: { ...spec, os: spec.os }, replace: flags.replace === true };
    const queued = await read(
      client.v1.machines[":machine"].install.$post({ ...at({ machine: flags.machine }), json }),
      machineSchema,
    );
    const format = outputFormat(flags.output);
    if (format !== "table") printRecord(queued, [], format);
    else print(`${queued.name} (${queued.mac}) is queued: its next network boot installs ${spec.os}`);
    if (flags.wait === true) {
      const { waitForInstall } = await import("./provision-wait.ts");
      await waitForInstall(client, queued.mac, undefined);
    }
  },
});

const given = <Key extends string>(key: Key, value: string | undefined): { [K in Key]?: string } =>
  // checked: a computed key widens to string; there is one, and it is Key
  (value === undefined ? {} : { [key]: value }) as { [K in Key]?: string };

function readSpec(path: string | undefined): Record<string, unknown> {
  if (path === undefined) return {};
  if (!existsSync(path)) throw new AppError("usage", `there is no file ${path}`);
  const value = readYaml(path);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  throw new AppError("usage", `${path} does not hold an install`, {
    hint: "write fields such as os: debian-12",
  });
}

/** A key as it was typed, or the one line of the file it names. */
function readKey(text: string): string {
  if (/^(ssh|ecdsa|sk)-\S+ /.test(text)) return text;
  if (!existsSync(text)) {
    throw new AppError("usage", `there is no SSH key file ${text}`, {
      hint: "name a .pub file, or give the key itself in quotes",
    });
  }
  return readFileSync(text, "utf8").trim();
}

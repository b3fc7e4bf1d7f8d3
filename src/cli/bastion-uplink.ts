import { AppError } from "../platform/errors.ts";
import { at } from "./client.ts";
import { defineCommand } from "./define.ts";
import { note, print } from "./output.ts";
import { defineRemoteCommand } from "./remote.ts";
import { loadDaemonConfig } from "./settings.ts";
import { readToken, tokenFileFlag } from "./token-file.ts";

const configFlag = {
  config: { type: "string", description: "configuration file of the bastion", valueHint: "FILE" },
} as const;

export const join = defineCommand({
  summary: "on a bastion's host: let it tell a labd elsewhere of its machines",
  example: "labctl bastion join labd.example:8443 --token-file /root/token",
  args: {
    server: { type: "positional", required: true, description: "labd's address" },
    token: { type: "string", description: "from labctl token create --bastion --name NAME" },
    ...tokenFileFlag,
    ...configFlag,
  },
  run: async (args) => {
    const token = await readToken(args, "labctl token create --bastion --name NAME makes one");
    const { certify, hostDescription, serverUrl } = await import("../agent/enrolment.client.ts");
    const { uplinkIdentity } = await import("../roles/uplink.ts");
    const { build } = await import("../platform/build.ts");
    const file = uplinkIdentity(loadDaemonConfig(args.config));
    const { hostname } = hostDescription();
    const identity = await certify(serverUrl(args.server), "/api/v1/bastions/enrol", token, {
      hostname,
      version: build.version,
    });
    file.write(identity);
    print(`joined ${identity.server} as bastion/${identity.name}`);
    note("it begins with the bastion's next start: systemctl restart labctl-bastion");
  },
});

export const leave = defineCommand({
  summary: "on a bastion's host: forget labd; what it was not told yet stays here",
  example: "labctl bastion leave",
  args: configFlag,
  run: async ({ config }) => {
    const { uplinkIdentity } = await import("../roles/uplink.ts");
    const file = uplinkIdentity(loadDaemonConfig(config));
    const identity = file.read();
    if (identity === undefined) {
      throw new AppError("not-found", `this bastion has joined no labd: ${file.path} is not there`);
    }
    file.remove();
    print(`left ${identity.server}; there: labctl bastion remove ${identity.name}`);
  },
});

const nameArgument = {
  name: { type: "positional", required: true, description: "the bastion's name" },
} as const;

export const revoke = defineRemoteCommand({
  summary: "take a bastion's certificates back and cut its connection; what it told stays",
  example: "labctl bastion revoke rack1 --because stolen",
  args: { ...nameArgument, because: { type: "string", default: "revoked", description: "for the audit" } },
  run: async ({ name, because }, { client }) => {
    await client.v1.bastions[":name"].revoke.$post({ ...at({ name }), json: { because } });
    print(`bastion/${name} is revoked`);
  },
});

export const remove = defineRemoteCommand({
  summary: "revoke a bastion and forget what it told",
  example: "labctl bastion remove rack1",
  args: nameArgument,
  run: async ({ name }, { client }) => {
    await client.v1.bastions[":name"].$delete(at({ name }));
    print(`bastion/${name} is removed`);
  },
});

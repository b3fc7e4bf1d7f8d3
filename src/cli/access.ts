import { z } from "zod";
import { auditRecord, authorityView, whoami as whoamiSchema } from "../access/api.ts";
import { pageOf } from "../http/page.ts";
import { AppError } from "../platform/errors.ts";
import { at, openEnded, read, readList } from "./client.ts";
import { defineCommand, defineGroup, outputFlag } from "./define.ts";
import { addMember, removeMember } from "./group.ts";
import { removeIdentity } from "./identity.ts";
import { readMoment } from "./moment.ts";
import { type Column, formatTime, print, printRecord, printRecords } from "./output.ts";
import { defineRemoteCommand } from "./remote.ts";
import { approve, deny, endSession, sessions } from "./sessions.ts";
import { outputFormat } from "./settings.ts";

export const logout = defineCommand({
  summary: "forget key and certificate of this user",
  example: "labctl logout",
  args: {},
  run: () => removeIdentity(),
});

export const whoami = defineRemoteCommand({
  summary: "who you are to labd",
  example: "labctl whoami",
  args: outputFlag,
  run: async ({ output }, { client }) => {
    printRecord(
      await read(client.v1.whoami.$get(), whoamiSchema),
      [
        { title: "NAME", value: (row) => row.name },
        { title: "ROLES", value: (row) => row.roles.join(", ") },
        { title: "SESSION", value: (row) => row.session },
      ],
      outputFormat(output),
    );
  },
});

const canI = defineRemoteCommand({
  summary: "whether you may do something, and why",
  example: "labctl auth can-i servers:exec",
  args: { permission: { type: "positional", required: true, description: "resource:verb" } },
  run: async ({ permission }, { client }) => {
    const decision = await read(
      client.v1["can-i"].$get({ query: { permission } }),
      z.object({ allowed: z.boolean(), because: z.string() }),
    );
    print(`${decision.allowed ? "yes" : "no"}: ${decision.because}`);
    if (!decision.allowed) process.exitCode = 4;
  },
});

const grant = defineRemoteCommand({
  summary: "give a user, group or token a role",
  example: "labctl auth grant user/alice operator",
  args: {
    subject: { type: "positional", required: true, description: "user/NAME, group/NAME or token/ID" },
    role: { type: "positional", required: true, description: "the role" },
  },
  run: async ({ subject, role }, { client }) => {
    await client.v1.bindings.$put({ json: { ...subjectOf(subject), role } });
    print(`${subject} holds ${role}`);
  },
});

const withdraw = defineRemoteCommand({
  summary: "take a role away",
  example: "labctl auth withdraw user/alice operator",
  args: {
    subject: { type: "positional", required: true, description: "user/NAME, group/NAME or token/ID" },
    role: { type: "positional", required: true, description: "the role" },
  },
  run: async ({ subject, role }, { client }) => {
    await client.v1.bindings.$delete({ query: { ...subjectOf(subject), role } });
    print(`${subject} does not hold ${role}`);
  },
});

function subjectOf(text: string) {
  const [word, name = ""] = text.split("/", 2);
  const kind = (["user", "group", "token"] as const).find((each) => each === word);
  if (name !== "" && kind !== undefined) return { kind, name };
  throw new AppError("usage", `'${text}' is not a subject`, { hint: "user/NAME, group/NAME or token/ID" });
}

const addUser = defineRemoteCommand({
  summary: "a new user",
  example: "labctl auth add-user alice --role operator",
  args: {
    name: { type: "positional", required: true, description: "the user's name" },
    role: { type: "string", description: "a role, as often as wanted" },
  },
  run: async ({ name }, { client, many }) => {
    await client.v1.users.$post({ json: { name, roles: many("role") } });
    print(`user/${name}; let them in: labctl token create --kind login --user ${name} --expires 1h`);
  },
});

const removeUser = defineRemoteCommand({
  summary: "remove a user and revoke its certificates",
  example: "labctl auth remove-user alice",
  args: { name: { type: "positional", required: true, description: "the user's name" } },
  run: async ({ name }, { client }) => {
    await client.v1.users[":name"].$delete(at({ name }));
    print(`user/${name} is removed`);
  },
});

export const auth = defineGroup({
  summary: "users, and what they may do",
  example: "labctl auth can-i servers:exec",
  commands: {
    "can-i": { summary: canI.summary, load: async () => canI },
    grant: { summary: grant.summary, load: async () => grant },
    withdraw: { summary: withdraw.summary, load: async () => withdraw },
    "add-user": { summary: addUser.summary, load: async () => addUser },
    "remove-user": { summary: removeUser.summary, load: async () => removeUser },
    "add-member": { summary: addMember.summary, load: async () => addMember },
    "remove-member": { summary: removeMember.summary, load: async () => removeMember },
    sessions: { summary: sessions.summary, load: async () => sessions },
    "end-session": { summary: endSession.summary, load: async () => endSession },
    approve: { summary: approve.summary, load: async () => approve },
    deny: { summary: deny.summary, load: async () => deny },
  },
});

const caColumns: Column<z.output<typeof authorityView>>[] = [
  { title: "ID", value: (row) => row.id },
  { title: "STATE", value: (row) => row.state },
  { title: "FINGERPRINT", value: (row) => row.fingerprint },
  { title: "SINCE", value: (row) => formatTime(row.createdAt) },
  { title: "UNTIL", value: (row) => formatTime(row.notAfter) },
  { title: "AGENTS", value: (row) => row.agents.length },
  { title: "BASTIONS", value: (row) => row.bastions.length },
  { title: "USERS", value: (row) => row.users.length },
  { title: "TOKENS", value: (row) => row.tokens },
];

const show = defineRemoteCommand({
  summary: "the roots that are trusted, and how many agents, users and tokens still need each",
  example: "labctl ca show",
  args: outputFlag,
  run: async ({ output }, { client }) => {
    const items = await readList((page) => client.v1.ca.$get(page), pageOf(authorityView));
    printRecords(items, caColumns, outputFormat(output));
  },
});

const rotate = defineRemoteCommand({
  summary: "let a new root sign from now on; the old one stays trusted",
  example: "labctl ca rotate",
  args: {},
  run: async (_, { client }) => {
    await client.v1.ca.rotate.$post();
    print("a new root signs from now on; agents and users move over by themselves: labctl ca show");
  },
});

const retire = defineRemoteCommand({
  summary: "trust an old root no more; by itself a day after the rotation, once nobody needs it",
  example: "labctl ca retire",
  args: {
    id: {
      type: "positional",
      required: false,
      description: "from labctl ca show; every old one when absent",
    },
    force: { type: "boolean", description: "also cut off those who still need it" },
  },
  run: async ({ id, force }, { client }) => {
    if (id !== undefined && !/^\d+$/.test(id))
      throw new AppError("usage", `'${id}' is not the ID of a root`, { hint: "labctl ca show" });
    await client.v1.ca.retire.$post({
      json: { ...(id !== undefined && { id: Number(id) }), force: force === true },
    });
    print("the old root is trusted no more");
  },
});

const exportRoots = defineRemoteCommand({
  summary: "the trusted roots as PEM",
  example: "labctl ca export > labctl-ca.pem",
  args: {},
  run: async (_, { client }) => print((await (await client.v1["ca.pem"].$get()).text()).trimEnd()),
});

export const ca = defineGroup({
  summary: "the certificate authority",
  example: "labctl ca show",
  commands: {
    show: { summary: show.summary, load: async () => show },
    rotate: { summary: rotate.summary, load: async () => rotate },
    retire: { summary: retire.summary, load: async () => retire },
    export: { summary: exportRoots.summary, load: async () => exportRoots },
  },
});

const auditColumns: Column<z.output<typeof auditRecord>>[] = [
  { title: "TIME", value: (row) => formatTime(row.at) },
  { title: "WHO", value: (row) => row.actor },
  { title: "FROM", value: (row) => row.from },
  { title: "ACTION", value: (row) => row.action },
  { title: "RESOURCE", value: (row) => row.resource },
  { title: "RESULT", value: (row) => row.result },
  { title: "DETAIL", value: (row) => row.detail },
];

const listAudit = defineRemoteCommand({
  summary: "what was done, newest first",
  example: "labctl audit list --action 'servers:*' --result refused",
  args: {
    actor: { type: "string", description: "for example user/alice; * stands for anything" },
    action: { type: "string", description: "for example servers:exec" },
    resource: { type: "string", description: "for example server/node1" },
    result: { type: "enum", options: ["allowed", "refused", "failed"], description: "how it went" },
    since: { type: "string", description: "from this time on: -1h, or 2026-01-31 12:00" },
    until: { type: "string", description: "up to this time" },
    limit: { type: "string", default: "100", description: "how many, 1000 at the most" },
    ...outputFlag,
  },
  run: async ({ actor, action, resource, result, since, until, limit, output }, { client }) => {
    const from = readMoment("--since", since);
    const to = readMoment("--until", until);
    const times = {
      ...(from !== undefined && { since: String(from) }),
      ...(to !== undefined && { until: String(to) }),
    };
    const { items } = await read(
      client.v1.audit.$get({ query: { actor, action, resource, result, limit, ...times } }),
      pageOf(auditRecord),
    );
    printRecords(items, auditColumns, outputFormat(output));
  },
});

const verify = defineRemoteCommand({
  summary: "whether the chain of records is whole",
  example: "labctl audit verify",
  args: {},
  run: async (_, { client }) => {
    const verdict = await read(
      client.v1.audit.verify.$get(),
      z.object({ whole: z.boolean(), records: z.number().optional(), because: z.string().optional() }),
    );
    if (!verdict.whole) throw new AppError("failed", `the audit was tampered with: ${verdict.because}`);
    print(`whole: ${verdict.records} records`);
  },
});

const exportAudit = defineRemoteCommand({
  summary: "every record, oldest first, a JSON object a line",
  example: "labctl audit export > audit.jsonl",
  args: {},
  run: async (_, { client }) => {
    const { body } = await client.v1.audit.export.$get({}, openEnded());
    if (body) for await (const chunk of body) process.stdout.write(chunk);
  },
});

export const audit = defineGroup({
  summary: "what was done, by whom, and whether it was allowed",
  example: "labctl audit list",
  commands: {
    list: { summary: listAudit.summary, load: async () => listAudit },
    verify: { summary: verify.summary, load: async () => verify },
    export: { summary: exportAudit.summary, load: async () => exportAudit },
  },
});

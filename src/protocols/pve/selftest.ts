import { AppError } from "../../platform/errors.ts";
import type { PveClient } from "./client.ts";
import { missingNeeds, type Scope } from "./features.ts";
import { grantCommands, type Need } from "./privileges.ts";
import type { GuestRef, Vmid } from "./vmid.ts";

export interface SelftestFinding {
  check: string;
  result: "ok" | "warn" | "fail";
  detail: string;
  /** What to do where it is not ok. */
  next?: string | undefined;
}

export interface SelftestPlan {
  /** The whole cluster, with failover. */
  client: PveClient;
  /** One client for each endpoint, to look at each by itself. */
  endpoints: readonly { place: string; client: PveClient; trust: string }[];
  scope: Omit<Scope, "major" | "nodes">;
  template: Vmid | undefined;
  /** Takes a snapshot of this guest and removes it: the only check that changes anything. */
  taskOn: Vmid | undefined;
}

const snapshotName = "labctl-selftest";
const maxSkewMs = 5_000;

/** One finding after the other, as they come. Only a task that was asked for changes anything. */
export async function* runSelftest(plan: SelftestPlan): AsyncGenerator<SelftestFinding> {
  const { client, scope } = plan;
  for (const endpoint of plan.endpoints) yield await checkEndpoint(endpoint);
  const version = await attempt("version", async () => {
    const found = await client.cluster.version();
    if (found.major < 7) return [fail("version", `${found.text} is older than 7.0`, "upgrade the node")];
    if (found.major === 7)
      return [warn("version", `${found.text}: no longer maintained`, "upgrade to 8 or 9"), found.major];
    return [ok("version", found.text), found.major];
  });
  yield version.finding;
  yield checkClock(client);
  const nodes = await attempt("nodes", async () => {
    const found = await client.cluster.nodes();
    const away = found
      .filter(({ status }) => status !== "online")
      .map(({ node, status }) => `${node} is ${status}`);
    const names = {
      all: found.map(({ node }) => node),
      online: found.filter(({ status }) => status === "online").map(({ node }) => node),
    };
    if (away.length > 0)
      return [warn("nodes", away.join(", "), "start it, or take it out of the cluster"), names];
    return [ok("nodes", names.all.join(", ")), names];
  });
  yield nodes.finding;
  if (version.value === undefined || nodes.value === undefined) return;
  for (const storage of scope.storages) {
    for (const node of nodes.value.online)
      yield (await attempt(`storage ${storage}`, () => checkStorage(client, node, storage))).finding;
  }
  yield (await attempt("privileges", () => checkPrivileges(plan, version.value ?? 9, nodes.value?.all ?? [])))
    .finding;
  if (plan.template !== undefined)
    yield (await attempt("template", () => checkTemplate(plan, plan.template))).finding;
  if (plan.taskOn !== undefined) yield (await attempt("task", () => checkTask(client, plan.taskOn))).finding;
}

const ok = (check: string, detail: string): SelftestFinding => ({ check, result: "ok", detail });
const warn = (check: string, detail: string, next: string): SelftestFinding => ({
  check,
  result: "warn",
  detail,
  next,
});
const fail = (check: string, detail: string, next?: string): SelftestFinding => ({
  check,
  result: "fail",
  detail,
  next,
});

type Checked<T> = [SelftestFinding, T?];

async function attempt<T>(
  check: string,
  run: () => Promise<Checked<T>>,
): Promise<{ finding: SelftestFinding; value: T | undefined }> {
  try {
    const [finding, value] = await run();
    return { finding, value };
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return { finding: fail(check, error.message, error.hint), value: undefined };
  }
}

async function checkEndpoint({
  place,
  client,
  trust,
}: SelftestPlan["endpoints"][number]): Promise<SelftestFinding> {
  const { finding } = await attempt(`tls ${place}`, async () => {
    await client.cluster.version({ timeoutMs: 15_000 });
    return [ok(`tls ${place}`, trust)];
  });
  return finding;
}

function checkClock(client: PveClient): SelftestFinding {
  const skew = client.clockSkewMs();
  if (skew === undefined) return fail("clock", "no answer to compare with");
  // The header is cut to whole seconds.
  const seconds = Math.round(skew / 1000);
  const told = `the node is ${Math.abs(seconds)} s ${seconds < 0 ? "behind" : "ahead"}`;
  if (Math.abs(skew) <= maxSkewMs) return ok("clock", seconds === 0 ? "the same as here" : told);
  return warn("clock", told, "is chrony running on both? (chronyc tracking)");
}

async function checkStorage(client: PveClient, node: string, name: string): Promise<Checked<undefined>> {
  const check = `storage ${name}`;
  const found = (await client.storage.onNode(node)).find(({ storage }) => storage === name);
  if (!found) {
    return [
      warn(
        check,
        `not to be seen on ${node}`,
        `it is not there, or the token lacks Datastore.Audit on /storage/${name}`,
      ),
    ];
  }
  if (!found.enabled || !found.active)
    return [fail(check, `is not active on ${node}`, `pvesm status --storage ${name}`)];
  const { avail, total } = found;
  const gib = (bytes: number) => `${Math.round(bytes / 1024 ** 3)} GiB`;
  if (avail === undefined || !total) return [ok(check, `${node}: ${found.content.join(", ")}`)];
  const told = `${node}: ${gib(avail)} of ${gib(total)} free`;
  return [avail / total < 0.1 ? warn(check, told, "make room: less than a tenth is left") : ok(check, told)];
}

async function checkPrivileges(
  plan: SelftestPlan,
  major: number,
  nodes: string[],
): Promise<Checked<undefined>> {
  const { client, scope } = plan;
  const missing = missingNeeds({ ...scope, major, nodes }, await client.access.permissions());
  if (missing.length === 0) return [ok("privileges", `enough for ${scope.features.join(", ")}`)];
  const told = missing.map((need: Need) => `${need.privileges.join("|")} on ${need.path}`).join(", ");
  const [user = "", tokenid = ""] = client.tokenId.split("!");
  const first = missing[0] ? grantCommands(missing[0], { user, tokenid }).join("; ") : "";
  return [
    fail("privileges", `missing: ${told}`, `labctl proxmox role prints everything; for the first: ${first}`),
  ];
}

async function checkTemplate(plan: SelftestPlan, vmid: Vmid | undefined): Promise<Checked<undefined>> {
  const guest = vmid === undefined ? undefined : await plan.client.guests.find(vmid);
  if (!guest) {
    return [
      fail(
        "template",
        `${vmid} is not there, or the token may not see it`,
        `put it into the pool: pveum pool modify ${plan.scope.pool} --vms ${vmid}`,
      ),
    ];
  }
  const config = await plan.client.guests.config(guest);
  const faults = [
    ...(config.template ? [] : [`it is no template: qm template ${vmid}`]),
    ...(config.lock === undefined ? [] : [`it is locked (${config.lock}): qm unlock ${vmid}`]),
    ...(Object.values(config.nets).length > 0
      ? []
      : [`it has no network card: qm set ${vmid} --net0 virtio,bridge=vmbr0`]),
    ...(config.agent || guest.kind === "lxc" ? [] : [`the guest agent is off: qm set ${vmid} --agent 1`]),
    ...Object.values(config.disks)
      .filter(
        ({ isCdrom, storage }) => !isCdrom && storage !== undefined && !plan.scope.storages.includes(storage),
      )
      .map(({ storage }) => `a disk is on ${storage}, which is not among the configured storages`),
  ];
  const name = `${vmid} ${config.name ?? ""} on ${guest.node}`;
  if (faults.length === 0) return [ok("template", name)];
  return [fail("template", `${name}: ${faults.join("; ")}`, "mend the template")];
}

async function checkTask(client: PveClient, vmid: Vmid | undefined): Promise<Checked<undefined>> {
  const guest: GuestRef | undefined = vmid === undefined ? undefined : await client.guests.find(vmid);
  if (!guest) return [fail("task", `there is no guest ${vmid}, or the token may not see it`)];
  const waiting = { timeoutMs: 120_000 };
  await client.run(
    () => client.snapshots.take(guest, { name: snapshotName, description: "labctl proxmox selftest" }),
    waiting,
  );
  await client.run(() => client.snapshots.remove(guest, snapshotName), waiting);
  return [ok("task", `took and removed a snapshot of ${vmid}`)];
}

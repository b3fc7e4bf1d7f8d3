import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { buildExecutable } from "../lab/artifacts.ts";
import { executable } from "../lab/bastion.ts";
import { createLabMachine, labSettings } from "./lab-machine.ts";
import { createStack, type Stack } from "./stack.ts";

// The pages as the built executable serves them, with what the lab network, hosts and users may put into them.

const labPort = 10_000 + 2 * (process.pid % 5000);
const mac = "52:54:00:00:00:01";
const page = `/ui/machines/${encodeURIComponent(mac)}`;
const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB3pB2nRYdTOVCkWZDUl0SEgmbVdVaVVeNOFw5cPSTKt you@here";
/** Whatever would run, were it taken for markup in text or in an attribute. */
const payloads = [
  "<script>window.owned=1</script>",
  "\"><img src=x onerror='window.owned=1'>",
  "' onmouseover='window.owned=1' x='",
  "</title><svg/onload=window.owned=1>",
  // biome-ignore lint/suspicious/noTemplateCurlyInString: what a template would take for one
  "{{7*7}}${7*7}</textarea><script>1</script>",
];
const all = payloads.join(" ");

let stack: Stack;
let root: string;
let viewer: string;
const machine = createLabMachine(labPort, mac);
beforeAll(async () => {
  await buildExecutable();
  stack = createStack(0, {}, labSettings(labPort));
  await stack.startLabd("standalone");
  root = await logIn(await link());
  await stack.labctl("auth", "add-user", "vera", "--role", "viewer");
  const token = (await stack.labctl("token", "create", "--kind", "login", "--user", "vera")).stdout.trim();
  const env = { PATH: process.env.PATH ?? "", HOME: join(stack.directory, "vera") };
  Bun.spawnSync([executable, "login", `127.0.0.1:${stack.port}`, "--token", token], { env });
  viewer = await logIn(Bun.spawnSync([executable, "ui", "--print"], { env }).stdout.toString().trim());
  await machine.discover({ system: { vendor: payloads[0], product: payloads[1], serial: payloads[2] } });
}, 60_000);
afterAll(() => stack.stop());

const link = async () =>
  (await stack.labctl("ui", "--print")).stdout.trim().replace("localhost", "127.0.0.1");
const ask = (path: string, cookie: string, form?: Record<string, string>) =>
  fetch(path.startsWith("https:") ? path : `https://127.0.0.1:${stack.port}${path}`, {
    redirect: "manual",
    headers: { cookie, "sec-fetch-site": form ? "same-origin" : "none" },
    ...(form && { method: "POST", body: new URLSearchParams(form) }),
    tls: { rejectUnauthorized: false },
  });
async function logIn(url: string): Promise<string> {
  const response = await ask(url, "");
  expect(response.status).toBe(200);
  return (response.headers.get("set-cookie") ?? "").split(";")[0] ?? "";
}

interface Seen {
  status: number;
  text: string;
  /** Every element's name with the names of its attributes. */
  elements: { name: string; attributes: Record<string, string> }[];
}
async function see(path: string, cookie = root, form?: Record<string, string>): Promise<Seen> {
  const response = await ask(path, cookie, form);
  const text = await response.text();
  const elements: Seen["elements"] = [];
  await new HTMLRewriter()
    .on("*", {
      element: ({ tagName, attributes }) =>
        void elements.push({ name: tagName, attributes: Object.fromEntries(attributes) }),
    })
    .transform(new Response(text))
    .text();
  return { status: response.status, text, elements };
}

/** Nothing on it runs but our own script, and nothing is there that we do not make. */
function expectHarmless({ elements, text }: Seen) {
  const scripts = elements.filter(({ name }) => name === "script");
  expect(scripts.map(({ attributes }) => attributes)).toEqual([
    { type: "module", src: expect.stringMatching(/^\/assets\/live-[0-9a-f]{12}\.js$/) },
  ]);
  expect(elements.filter(({ name }) => ["img", "svg", "iframe", "object", "style"].includes(name))).toEqual(
    [],
  );
  const names = elements.flatMap(({ attributes }) => Object.keys(attributes));
  expect(names.filter((name) => name.startsWith("on") || name === "style")).toEqual([]);
  const links = elements.flatMap(({ attributes: { href, action, src } }) => [href, action, src]);
  for (const address of links) if (address !== undefined) expect(address).toMatch(/^(\/|#main$|data:,$|\?)/);
  expect(text).not.toContain("window.owned=1</script>");
}

test("what a machine says of itself stays text, in the list and on its page", async () => {
  for (const path of ["/ui/machines", page]) {
    const seen = await see(path);
    expect(seen.status).toBe(200);
    expect(seen.text).toContain("onerror=");
    expectHarmless(seen);
  }
});

test("an install is queued from the form; what its schema refuses is said at the field", async () => {
  const wrong = await see(`${page}/install`, root, {
    name: "Not A Name",
    os: "debain-12",
    sshKeys: all,
    domain: payloads[1] ?? "",
    network: "static",
    address: "10.0.0.5",
  });
  expect(wrong.status).toBe(400);
  expectHarmless(wrong);
  for (const field of ["name", "os", "sshKeys", "domain", "address"]) {
    const input = wrong.elements.find(({ attributes }) => attributes.id === `field-${field}`);
    expect([field, input?.attributes["aria-invalid"]]).toEqual([field, "true"]);
    expect(input?.attributes["aria-describedby"]).toContain(`field-${field}-error`);
    expect(wrong.elements.some(({ attributes }) => attributes.id === `field-${field}-error`)).toBe(true);
  }
  expect(wrong.text).toContain("did you mean &#39;debian-12&#39;?");

  const nobody = await see(`${page}/install`, root, { name: "node-1", os: "debian-12" });
  expect([nobody.status, nobody.text]).toEqual([400, expect.stringContaining("nobody could log in")]);

  const queued = await ask(`${page}/install`, root, { name: "node-1", os: "debian-12", sshKeys: key });
  expect([queued.status, queued.headers.get("location")]).toEqual([303, page]);
  const twice = await see(`${page}/install`, root, { name: "node-1", os: "debian-12", sshKeys: key });
  expect([twice.status, twice.text]).toEqual([409, expect.stringContaining("an install is queued already")]);
});

test("log lines, stages and the reason of a failure stay text, also where they are streamed", async () => {
  await machine.boot();
  await machine.stage("boot", "running", all);
  await machine.log(...payloads, "a plain line");
  const running = await see(page);
  expect(running.text).toContain("a plain line");
  expect(running.text).toContain("kubernetes-prerequisites");
  expectHarmless(running);
  await machine.stage("boot", "failed", all);
  const failed = await see(page);
  expect(failed.text).toContain("The install failed in stage boot");
  expectHarmless(failed);
  expectHarmless(await see("/ui/machines"));
});

test("words in addresses, filters, codes and forms stay text", async () => {
  const word = encodeURIComponent(all);
  for (const path of [
    `/ui/machines/${encodeURIComponent(payloads[0] ?? "")}`,
    `/ui/servers/${encodeURIComponent(payloads[1]?.slice(0, 60) ?? "")}`,
    `/ui/nothing/${word}`,
    `/ui/audit?actor=${encodeURIComponent(payloads[1] ?? "")}&result=${word}&before=x`,
    `/ui/device?code=${encodeURIComponent(payloads[3]?.slice(0, 20) ?? "")}`,
    "/ui/audit",
  ])
    expectHarmless(await see(path));
  expectHarmless(await see("/ui/tokens/revoke", root, { id: all }));
});

test("what a command line says it is, and a browser, stay text", async () => {
  const { createSigningRequest } = await import("../../src/access/certificates.ts");
  const { csrPem } = await createSigningRequest("x");
  const begun = await fetch(`https://127.0.0.1:${stack.port}/api/v1/login/device`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ csr: csrPem, host: payloads[1] }),
    tls: { rejectUnauthorized: false },
  });
  const code = /"user_code":"([^"]+)"/.exec(await begun.text())?.[1];
  const asked = await see(`/ui/device?code=${code}`);
  expect(asked.text).toContain("Let this command line in?");
  expectHarmless(asked);
  await fetch(await link(), {
    headers: { "user-agent": payloads[1] ?? "" },
    tls: { rejectUnauthorized: false },
  });
  const sessions = await see("/ui/sessions");
  expect(sessions.text).toContain("onerror=");
  expectHarmless(sessions);
});

test("a viewer sees no button it may not use, and the server refuses anyway", async () => {
  const seen = await see(page, viewer);
  expect(seen.status).toBe(200);
  const forms = seen.elements
    .filter(({ name }) => name === "form")
    .map(({ attributes }) => attributes.action);
  expect(forms).toEqual(["/ui/logout"]);
  expect(seen.text).not.toContain('/install"');
  const sections = seen.elements.flatMap(({ name, attributes }) =>
    name === "a" && attributes.href?.startsWith("/ui/") && !attributes.class ? [attributes.href] : [],
  );
  expect(sections).toEqual(["/ui/machines", "/ui/images", "/ui/servers", "/ui/sessions"]);
  for (const path of [`${page}/install`, "/ui/audit", "/ui/tokens", "/ui/users"])
    expect([path, (await see(path, viewer)).status]).toEqual([path, 403]);
  for (const path of [`${page}/install`, `${page}/forget`, `${page}/cancel`, "/ui/tokens/revoke"])
    expect([path, (await see(path, viewer, { name: "x" })).status]).toEqual([path, 403]);
  // Others' sessions are none of its business.
  expect((await see("/ui/sessions", viewer)).text).not.toContain("local/");
});

test("every page has one heading, landmarks, a language, and labels for what can be filled in", async () => {
  for (const path of [
    "/ui/machines",
    page,
    `${page}/install`,
    "/ui/images",
    "/ui/servers",
    "/ui/audit",
    "/ui/device",
  ]) {
    const { elements, status } = await see(path);
    expect([path, status]).toEqual([path, 200]);
    const count = (name: string) => elements.filter((each) => each.name === name).length;
    expect([path, count("h1"), count("main"), count("nav") > 0, count("header")]).toEqual([
      path,
      1,
      1,
      true,
      1,
    ]);
    expect(elements.find(({ name }) => name === "html")?.attributes.lang).toBe("en");
    const labelled = new Set(elements.flatMap(({ attributes }) => attributes.for ?? []));
    const inputs = elements.filter(
      ({ name, attributes }) =>
        ["input", "select", "textarea"].includes(name) &&
        !["hidden", "checkbox"].includes(attributes.type ?? ""),
    );
    for (const { attributes } of inputs)
      expect([path, attributes.name, labelled.has(attributes.id ?? "")]).toEqual([
        path,
        attributes.name,
        true,
      ]);
    const ids = elements.flatMap(({ attributes }) => attributes.id ?? []);
    expect([path, ids.filter((id, index) => ids.indexOf(id) !== index)]).toEqual([path, []]);
  }
});

test("a stream that a session opened ends with the session", async () => {
  const cookie = await logIn(await link());
  const response = await ask("/ui/machines/changes", cookie);
  const follow = await ask(`/api/logs/${encodeURIComponent(mac)}/follow`, cookie);
  expect([response.status, follow.status]).toEqual([200, 200]);
  const ended = Promise.all([response.text().catch(() => ""), follow.text().catch(() => "")]);
  await ask("/ui/logout", cookie, {});
  const late = Bun.sleep(3000).then(() => "late");
  expect(await Promise.race([ended.then(() => "ended"), late])).toBe("ended");
});

test("a machine is forgotten by its button", async () => {
  expect((await ask(`${page}/forget`, root, {})).headers.get("location")).toBe("/ui/machines");
  expect((await see(page)).status).toBe(404);
});

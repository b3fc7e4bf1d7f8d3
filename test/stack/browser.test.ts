import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { buildExecutable } from "../lab/artifacts.ts";
import { type Browser, openBrowser } from "./browser.ts";
import { createLabMachine, labSettings } from "./lab-machine.ts";
import { createStack, type Stack } from "./stack.ts";

// The pages in a real browser. LABCTL_KEEP_SHOT=FILE keeps what the machine's page looks like in the middle of it.

const labPort = 10_000 + 2 * (process.pid % 5000);
const mac = "52:54:00:1a:b0:01";
const page = `/ui/machines/${encodeURIComponent(mac)}`;
const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB3pB2nRYdTOVCkWZDUl0SEgmbVdVaVVeNOFw5cPSTKt you@here";
const before = ["boot", "network", "hardware", "disk-select", "disk-wipe", "partition"];

describe.skipIf(process.env.LABCTL_CI !== "1")("in a browser", () => {
  let stack: Stack;
  let browser: Browser;
  const machine = createLabMachine(labPort, mac);
  const at = (path: string) => `https://127.0.0.1:${stack.port}${path}`;
  beforeAll(async () => {
    await buildExecutable();
    stack = createStack(0, {}, labSettings(labPort));
    await stack.startLabd("standalone");
    browser = await openBrowser();
  }, 90_000);
  afterAll(async () => {
    await browser.close();
    await stack.stop();
  });

  test("the one-time link leads to the machines, where one that turns up appears by itself", async () => {
    const { stdout } = await stack.labctl("ui", "--print");
    await browser.open(stdout.trim().replace("localhost", "127.0.0.1"));
    await browser.sees("h1", "Machines");
    await browser.read("window.mark = 1");
    await machine.discover();
    await browser.sees("#machines", "PowerEdge R6515");
    // It was not loaded anew.
    expect(await browser.read("window.mark")).toBe(1);
  }, 60_000);

  test("an install is queued from the form, and says at the field what is wrong with it", async () => {
    await browser.open(at(`${page}/install`));
    await browser.fill("#field-name", "Worker 3");
    await browser.fill("#field-sshKeys", key);
    await browser.fill("#field-os", "debian-12");
    await browser.fill("#field-role", "worker");
    await browser.click("form.panel button[type=submit]");
    await browser.sees("#field-name-error", "must be a host name");
    await browser.fill("#field-name", "worker-3");
    await browser.click("form.panel button[type=submit]");
    await browser.sees("#state", "queued");
    await browser.sees("h1", "worker-3");
  }, 60_000);

  test("its stages and log lines come as they happen, and none of them runs", async () => {
    await browser.open(at(page));
    await browser.read("window.mark = 2");
    await machine.boot();
    await browser.sees("#state", "installing");
    for (const stage of before) {
      await machine.stage(stage, "running");
      await browser.sees(`[data-stage="${stage}"]`, stage);
      await machine.stage(stage);
    }
    await browser.sees(`[data-stage="partition"][data-state="done"]`, "partition");
    await machine.stage("packages", "running", "unpacking linux-image-amd64");
    await browser.sees(`[data-stage="packages"]`, "unpacking linux-image-amd64");
    await machine.log(
      ...Array.from({ length: 40 }, (_, index) => `Unpacking package-${index} (1.${index}-1) ...`),
    );
    await browser.sees("#log", "Unpacking package-39");
    await browser.sees("#log-total", "40 lines");
    const file = process.env.LABCTL_KEEP_SHOT;
    if (file !== undefined) await Bun.write(file, await browser.screenshot({ width: 1100, height: 700 }));
    await machine.log("<img src=x onerror='window.owned=1'><script>window.owned=1</script>");
    await machine.stage("packages", "running", "<img src=x onerror='window.owned=1'>");
    await browser.sees("#log", "onerror=");
    await browser.sees(`[data-stage="packages"]`, "onerror=");
    await machine.stage("installed");
    await browser.sees("#state", "installed");
    expect(await browser.read("[window.mark, window.owned ?? null]")).toEqual([2, null]);
  }, 90_000);

  test("on a phone nothing is wider than the screen, in the light and in the dark", async () => {
    for (const dark of [false, true]) {
      await browser.screenshot({ width: 390, height: 844, dark });
      for (const path of ["/ui/machines", page, `${page}/install`, "/ui/audit", "/ui/servers"]) {
        await browser.open(at(path));
        const wide = await browser.read("document.documentElement.scrollWidth - innerWidth");
        expect([path, wide]).toEqual([path, 0]);
      }
    }
  }, 60_000);

  test("the browser complained of nothing: neither the content security policy nor a script", () => {
    // It says so itself when a form comes back with what is wrong in it.
    const others = browser.complaints.filter((each) => !each.includes("status of 400"));
    expect(others).toEqual([]);
  });

  test("logging out is logging out, also for the page that is open", async () => {
    await browser.open(at(page));
    const { stdout } = await stack.labctl("auth", "sessions", "-o", "json");
    const [{ id }] = JSON.parse(stdout);
    await stack.labctl("auth", "end-session", id);
    await browser.open(at("/ui/machines"));
    await browser.sees("h1", "You are not logged in");
  }, 60_000);
});

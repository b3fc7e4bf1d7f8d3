import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { deviceLogin } from "../../src/access/api.ts";
import { buildExecutable } from "../lab/artifacts.ts";
import { executable } from "../lab/bastion.ts";
import { createStack, type Stack, until } from "./stack.ts";

let stack: Stack;
let fingerprint: string;
beforeAll(async () => {
  await buildExecutable();
  stack = createStack();
  await stack.startLabd();
  await stack.labctl("auth", "add-user", "vera", "--role", "viewer");
  const [root] = JSON.parse((await stack.labctl("ca", "show", "-o", "json")).stdout);
  fingerprint = root.fingerprint;
}, 60_000);
afterAll(() => stack.stop());

/** `labctl login` of somebody on another computer. */
function logIn(home: string, ...words: string[]) {
  const env = { PATH: process.env.PATH ?? "", HOME: join(stack.directory, home) };
  const child = Bun.spawn([executable, "login", `127.0.0.1:${stack.port}`, ...words], {
    env,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  let said = "";
  const reading = (async () => {
    for await (const chunk of child.stderr) said += Buffer.from(chunk).toString();
  })();
  return {
    child,
    said: () => said,
    code: async () => {
      await until("the code is shown", () => /the code [B-Z]{4}-[B-Z]{4}/.test(said));
      return /the code ([B-Z-]+)/.exec(said)?.[1] ?? "";
    },
    ended: async () => {
      const [code, stdout] = await Promise.all([child.exited, new Response(child.stdout).text(), reading]);
      return { code, stdout };
    },
    run: (...more: string[]) => Bun.spawnSync([executable, ...more], { env }),
  };
}

test("a command line shows a code, an administrator lets it in, and it is that user", async () => {
  const vera = logIn("vera", "--fingerprint", fingerprint);
  const code = await vera.code();
  expect(vera.said()).toContain(`https://127.0.0.1:${stack.port}/ui/device`);
  const approved = await stack.labctl("auth", "approve", code.toLowerCase(), "--user", "vera");
  expect(approved.stdout).toBe("let in as user/vera\n");
  expect((await vera.ended()).stdout).toBe(`logged in to https://127.0.0.1:${stack.port} as vera\n`);
  expect(vera.run("whoami").stdout.toString()).toContain("user/vera");
  expect(statSync(join(stack.directory, "vera/.labctl/identity.json")).mode & 0o777).toBe(0o600);
  // The code is spent.
  expect((await stack.labctl("auth", "approve", code, "--user", "vera")).code).toBe(3);

  // One who is in lets in their own next command line, and nobody else's; the roots are known by now.
  const second = logIn("vera");
  const next = await second.code();
  const refused = vera.run("auth", "approve", next, "--user", "root");
  expect([refused.exitCode, refused.stderr.toString()]).toEqual([
    4,
    expect.stringContaining("only an administrator"),
  ]);
  expect(vera.run("auth", "approve", next).stdout.toString()).toBe("let in as user/vera\n");
  expect((await second.ended()).code).toBe(0);
}, 60_000);

test("one that is turned away gets nothing", async () => {
  const mallory = logIn("mallory", "--fingerprint", fingerprint);
  expect((await stack.labctl("auth", "deny", await mallory.code())).code).toBe(0);
  expect((await mallory.ended()).code).toBe(4);
  expect(mallory.said()).toContain("you were turned away");
}, 30_000);

test("an authority nobody compared, or another one, is not believed, and hears of no key", async () => {
  const nobody = logIn("nobody");
  expect((await nobody.ended()).code).toBe(4);
  expect(nobody.said()).toContain(`--fingerprint ${fingerprint}`);
  const wrong = logIn("wrong", "--fingerprint", "00".repeat(32));
  expect((await wrong.ended()).code).toBe(4);
  expect(wrong.said()).toContain("proves itself by another authority");
});

test("who asks too often is told to slow down, and strangers cannot ask who waits", async () => {
  const carol = logIn("carol", "--fingerprint", fingerprint);
  const code = await carol.code();
  const tls = { rejectUnauthorized: false };
  const stranger = await fetch(`https://127.0.0.1:${stack.port}/api/v1/login/device/${code}`, { tls });
  expect(stranger.status).toBe(401);
  const poll = async (device_code: string) => {
    const response = await fetch(`https://127.0.0.1:${stack.port}/api/v1/login/device/poll`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ device_code }),
      tls,
    });
    return response.json();
  };
  expect(await poll("0".repeat(43))).toEqual({ status: "expired_token" });
  const { csrPem } = await (await import("../../src/access/certificates.ts")).createSigningRequest("x");
  const begun = deviceLogin.parse(
    await (
      await fetch(`https://127.0.0.1:${stack.port}/api/v1/login/device`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ csr: csrPem, host: "<b>evil</b>" }),
        tls,
      })
    ).json(),
  );
  expect(await poll(begun.device_code)).toEqual({ status: "authorization_pending", interval: 5 });
  expect(await poll(begun.device_code)).toEqual({ status: "slow_down", interval: 10 });
  carol.child.kill();
  await carol.ended();
  // No secret of it lies in the database.
  expect(readFileSync(join(stack.directory, "data/labctl.sqlite-wal"), "latin1")).not.toContain(
    begun.device_code,
  );
}, 30_000);

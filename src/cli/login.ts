import { hostname } from "node:os";
import { createInterface } from "node:readline/promises";
import { deviceLogin, devicePolled } from "../access/api.ts";
import { createSigningRequest } from "../access/service.ts";
import { AppError } from "../platform/errors.ts";
import { defineCommand } from "./define.ts";
import { type Identity, readIdentity, writeIdentity } from "./identity.ts";
import { note, print } from "./output.ts";

export const login = defineCommand({
  summary: "make a key on this computer and have labd certify it",
  example: "labctl login labd.example:8443",
  args: {
    server: { type: "positional", required: true, description: "labd's address" },
    token: {
      type: "string",
      description: "from labctl token create --kind login --user NAME; without it, somebody lets you in",
    },
    fingerprint: {
      type: "string",
      description: "of labd's authority, from labctl ca show there; without it you are asked to compare",
      valueHint: "SHA256",
    },
  },
  run: async ({ server, token, fingerprint }) => {
    const { certify, serverUrl } = await import("../agent/enrolment.client.ts");
    const url = serverUrl(server);
    const identity =
      token === undefined
        ? await waitToBeLetIn(url, await trustedAuthority(url, fingerprint))
        : await certify(url, "/api/v1/login", token, {});
    writeIdentity(identity);
    print(`logged in to ${identity.server} as ${identity.name}`);
  },
});

/** The root of labd as somebody has vouched for it: an earlier login, a flag, or the user who compares. */
async function trustedAuthority(server: string, wanted: string | undefined): Promise<string> {
  const { showAuthority } = await import("../agent/enrolment.client.ts");
  if (wanted === undefined) {
    const before = readIdentity();
    if (before?.server === server) return before.authoritiesPem;
  }
  const { pem, fingerprint } = await showAuthority(server);
  if (wanted !== undefined) {
    if (wanted.replaceAll(":", "").toLowerCase() === fingerprint) return pem;
    throw new AppError("unauthenticated", `${server} proves itself by another authority: ${fingerprint}`, {
      hint: "the address is wrong, or somebody in between answers in its place; nothing was sent",
    });
  }
  note(`${server} proves itself by the authority`);
  note(`  ${fingerprint.match(/.{1,16}/g)?.join(" ") ?? fingerprint}`);
  if (process.stdin.isTTY !== true) {
    throw new AppError("unauthenticated", "nobody compared this authority's fingerprint", {
      hint: `compare it with labctl ca show on the server, then give --fingerprint ${fingerprint}`,
    });
  }
  note("Compare it with what labctl ca show says on the server, not with what came from here.");
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    if (/^y(es)?$/i.test((await terminal.question("Are they the same? yes or no: ")).trim())) return pem;
  } finally {
    terminal.close();
  }
  throw new AppError("unauthenticated", "the authority was not confirmed; nothing was sent");
}

/** After RFC 8628: shows a code and asks labd, every few seconds, whether somebody has let us in. */
async function waitToBeLetIn(server: string, authority: string): Promise<Identity> {
  const { ask, identity } = await import("../agent/enrolment.client.ts");
  const { keyPem, csrPem } = await createSigningRequest(hostname());
  const begun = await ask(
    server,
    "/api/v1/login/device",
    authority,
    { csr: csrPem, host: hostname().slice(0, 253) },
    deviceLogin,
  );
  note(`Let this command line in with the code ${begun.user_code}`);
  note(`  on ${begun.verification_uri}`);
  note(`  or there, as an administrator: labctl auth approve ${begun.user_code} --user NAME`);
  const end = performance.now() + begun.expires_in * 1000;
  let interval = begun.interval;
  while (performance.now() < end) {
    await Bun.sleep(interval * 1000);
    const polled = await ask(
      server,
      "/api/v1/login/device/poll",
      authority,
      { device_code: begun.device_code },
      devicePolled,
    );
    if (polled.status === "granted") return identity(server, keyPem, polled);
    if (polled.status === "access_denied") {
      throw new AppError("forbidden", "you were turned away", { hint: "ask whoever answered" });
    }
    if (polled.status === "expired_token") break;
    interval = polled.interval;
  }
  throw new AppError("timeout", "nobody let this command line in in time", {
    hint: "run labctl login again for another code",
  });
}

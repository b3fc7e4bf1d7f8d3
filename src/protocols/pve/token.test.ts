import { expect, test } from "bun:test";
import { inspect } from "node:util";
import { PveToken } from "./token.ts";

const secret = "11111111-2222-4333-8444-555555555555";

test("a token shows its name and never its secret, however it is printed", () => {
  const token = PveToken.parse(`lab@pve!full=${secret}\n`, "a test");
  const shown = [
    String(token),
    `${token}`,
    JSON.stringify({ token }),
    inspect(token),
    inspect({ a: [token] }, { depth: 9 }),
    Bun.inspect(token),
    JSON.stringify(Object.entries(token)),
  ];
  for (const text of shown) expect(text).not.toContain(secret);
  expect(String(token)).toBe("lab@pve!full=****");
  expect(token.authorization()).toBe(`PVEAPIToken=lab@pve!full=${secret}`);
  expect(token.redact(`bad token ${secret}!`)).toBe("bad token ****!");
});

test("what is no token is refused without being repeated", () => {
  for (const text of ["", secret, `lab!full=${secret}`, `lab@pve=${secret}`, `lab@pve!full=${secret}x`]) {
    expect(() => PveToken.parse(text, "/etc/token")).toThrow("/etc/token does not hold a Proxmox API token");
  }
});

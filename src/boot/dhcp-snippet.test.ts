import { expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { renderDhcpSnippet, snippetKinds } from "./dhcp-snippet.ts";

const settings = { server: "10.0.0.1", httpPort: 8080, program: "ipxe" } as const;

for (const kind of snippetKinds) {
  test(`the snippet for ${kind} is its golden (UPDATE_GOLDENS=1 rewrites it)`, () => {
    const golden = join(import.meta.dir, "testdata", `snippet.${kind}`);
    const text = renderDhcpSnippet(kind, settings);
    if (process.env.UPDATE_GOLDENS === "1") writeFileSync(golden, text);
    expect(text).toBe(readFileSync(golden, "utf8"));
  });

  test(`${kind}: another port, program and address go everywhere they belong`, () => {
    const text = renderDhcpSnippet(kind, { server: "192.168.7.7", httpPort: 9090, program: "grub" });
    expect(text).toContain("http://192.168.7.7:9090/boot.ipxe");
    expect(text).toContain("shimx64.efi");
    expect(text).not.toContain("10.0.0.1");
    expect(text).not.toContain("8080");
  });

  test(`rule 3: the snippet for ${kind} sends no class PXEClient`, () => {
    const said = renderDhcpSnippet(kind, settings)
      .split("\n")
      .filter((line) => !/^(#|\/\/)/.test(line));
    expect(said.join("\n")).not.toContain("PXEClient");
  });
}

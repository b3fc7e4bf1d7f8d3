import { expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import type { BootOrder } from "../machines/service.ts";
import { kernelArgument, plainText, urlPath } from "./boot-text.ts";
import { readGrubMachinePath, renderConfig, renderFirstConfig, renderGrubRefusal } from "./grub-config.ts";
import { localMethod, renderFirstScript, renderRefusal, renderScript } from "./ipxe-script.ts";

const baseUrl = "http://10.0.0.1:8080";
const bios = { firmware: "bios", arch: "x86_64", baseUrl } as const;
const uefi = { firmware: "uefi", arch: "x86_64", baseUrl } as const;
const grub = { arch: "x86_64", httpHost: "10.0.0.1:8080" } as const;
const boot = {
  kernel: "/ram/x86_64/vmlinuz",
  initrds: ["/ram/x86_64/initrd.img", "/install/0123abcd/extra.img"],
  args: [
    "labctl.url=http://10.0.0.1:8080",
    "labctl.task=discover",
    "console=ttyS0,115200",
    'dyndbg="file a.c +p"',
  ],
};
const discover: BootOrder = { kind: "discover", boot };
const install: BootOrder = { kind: "install", installId: "i1", token: "0123abcd", name: "worker-1", boot };
const local: BootOrder = { kind: "local", method: "auto", reason: "installed" };
const menu: BootOrder = {
  kind: "menu",
  localMethod: "auto",
  reason: "the install failed in partition: no disk of 20 GB or more",
  discover: boot,
};

/** LABCTL_GOLDEN=write writes them anew; read the difference before you commit it. */
function expectGolden(name: string, text: string) {
  const path = join(import.meta.dir, "testdata/scripts", name);
  if (process.env.LABCTL_GOLDEN === "write") writeFileSync(path, text);
  expect(existsSync(path)).toBe(true);
  expect(text).toBe(readFileSync(path, "utf8"));
}

test("each script is what it was", () => {
  expectGolden("first.ipxe", renderFirstScript(baseUrl));
  expectGolden("discover.ipxe", renderScript(discover, bios));
  expectGolden("install.ipxe", renderScript(install, uefi));
  expectGolden("local-bios.ipxe", renderScript(local, bios));
  expectGolden("local-uefi.ipxe", renderScript(local, uefi));
  expectGolden("local-uefi-chainload.ipxe", renderScript({ ...local, method: "chainload" }, uefi));
  expectGolden("menu.ipxe", renderScript(menu, bios));
  expectGolden("refusal.ipxe", renderRefusal("the query has no MAC address"));
});

test("each GRUB configuration is what it was", () => {
  expectGolden("first.cfg", renderFirstConfig());
  expectGolden("discover.cfg", renderConfig(discover, grub));
  expectGolden("install.cfg", renderConfig(install, grub));
  expectGolden("local.cfg", renderConfig(local, grub));
  expectGolden("local-exit.cfg", renderConfig({ ...local, method: "exit" }, grub));
  expectGolden("menu.cfg", renderConfig(menu, grub));
  expectGolden("refusal.cfg", renderGrubRefusal("unknown machine"));
});

test("rule 21: local boot follows the firmware unless the machine says otherwise", () => {
  expect(localMethod("auto", "bios")).toBe("sanboot");
  expect(localMethod("auto", "uefi")).toBe("exit");
  expect(localMethod("sanboot", "uefi")).toBe("sanboot");
  expect(localMethod("exit", "bios")).toBe("exit");
});

test("a failed boot script hands the machine on: EDK2 tries its next device only after a failure", () => {
  for (const text of [renderFirstScript(baseUrl), renderScript(discover, uefi), renderRefusal("no")])
    expect(text.trimEnd().split("\n").at(-1)).toBe("exit 1");
});

test("every loop of a script counts its attempts and has an end", () => {
  for (const text of [renderFirstScript(baseUrl), renderScript(install, uefi), renderScript(menu, bios)]) {
    const lines = text.split("\n");
    for (const back of ["goto ask", "goto load"]) {
      if (!lines.includes(back)) continue;
      const body = lines.slice(lines.indexOf(back.replace("goto ", ":")), lines.indexOf(back));
      expect(body).toContain("inc attempt");
      expect(body.some((line) => /iseq .* && goto failed/.test(line))).toBe(true);
      expect(body.some((line) => line.startsWith("sleep "))).toBe(true);
    }
  }
});

test("every label a script jumps to stands in it once", () => {
  for (const order of [discover, install, local, menu]) {
    const text = renderScript(order, uefi);
    for (const [, label] of text.matchAll(/goto ([a-z]+)/g))
      expect(text.split("\n").filter((line) => line === `:${label}`)).toEqual([`:${label}`]);
  }
});

const hostile = fc.oneof(
  fc.string({ unit: "binary", maxLength: 300 }),
  fc
    .array(
      fc.constantFrom(
        ...[
          "\n",
          "\r\n",
          "\\",
          "${",
          "}",
          "||",
          "&&",
          "'",
          '"',
          "`",
          "$(",
          ";",
          "{",
          "#!ipxe",
          "shell",
          " ",
          "-",
        ],
        ...["chain http://evil/", "\u2028", "\u0000", "\u001b[2J", "a"],
      ),
      { maxLength: 30 },
    )
    .map((parts) => parts.join("")),
);
/** What a text may change in a script: the words of the line it stands on. */
const skeleton = (script: string) => script.split("\n").map((line) => line.split(" ")[0]);

test("no text, whatever is in it, changes what an iPXE script does", () => {
  fc.assert(
    fc.property(hostile, (text) => {
      const { discover } = menu;
      const rendered = [
        [renderScript({ ...local, reason: text }, bios), renderScript(local, bios)],
        [renderScript({ ...install, name: text }, bios), renderScript(install, bios)],
        [
          renderScript({ kind: "menu", localMethod: "auto", reason: text, discover }, bios),
          renderScript(menu, bios),
        ],
        [renderRefusal(text), renderRefusal("x")],
      ] as const;
      for (const [script, plain] of rendered) {
        expect(skeleton(script)).toEqual(skeleton(plain));
        expect(script).toMatch(/^[\n\x20-\x7e]+$/);
        expect(script).not.toContain("\\\n");
        for (const mark of ["${", " || ", " && "])
          expect(script.split(mark).length).toBe(plain.split(mark).length);
      }
    }),
  );
});

test("no text, whatever is in it, leaves its quotes in a GRUB configuration", () => {
  /** GRUB's lexer, as far as single quotes go: nothing within them is special. */
  const outside = (text: string) => text.replace(/'[^']*'/g, "Q");
  fc.assert(
    fc.property(hostile, (text) => {
      const { discover } = menu;
      expect(outside(renderConfig({ ...local, reason: text }, grub))).toBe(
        outside(renderConfig(local, grub)),
      );
      expect(outside(renderConfig({ ...install, name: text }, grub))).toBe(
        outside(renderConfig(install, grub)),
      );
      expect(outside(renderConfig({ kind: "menu", localMethod: "auto", reason: text, discover }, grub))).toBe(
        outside(renderConfig(menu, grub)),
      );
      expect(outside(renderGrubRefusal(text))).toBe(outside(renderGrubRefusal("x")));
    }),
  );
});

test("a kernel argument or path is passed on whole or refused, never cut or rewritten", () => {
  fc.assert(
    fc.property(hostile, (text) => {
      const order: BootOrder = { kind: "discover", boot: { ...boot, args: [text] } };
      let script: string;
      try {
        script = renderScript(order, bios);
      } catch (error) {
        expect(error).toHaveProperty("code", "invalid");
        return;
      }
      expect(script.split("\n").length).toBe(renderScript(discover, bios).split("\n").length);
      expect(script).toContain(` ${text} || goto retry`);
    }),
  );
  for (const bad of ["a b", `a=\${ip}`, "||", 'x="a', "tail\\", "it's", "", 'x="a && b"', 'x="a  b"', "\n"])
    expect(() => kernelArgument(bad)).toThrow("cannot be given");
  for (const good of [
    "quiet",
    'x="a b"',
    "ip=dhcp",
    "console=ttyS0,115200n8",
    "a||b",
    "ks=http://10.0.0.1/a?b=c&d",
  ])
    expect(kernelArgument(good)).toBe(good);
  for (const bad of ["", "ram/x", "/a/../b", "/a b", "//evil/x", "/a?b", "/a/", "http://x/y", "/a/'b"])
    expect(() => urlPath(bad)).toThrow("not a path");
});

test("long kernel arguments and paths are not shortened", () => {
  const long = `labctl.x=${"y".repeat(900)}`;
  const order: BootOrder = {
    kind: "discover",
    boot: { kernel: `/ram/${"k".repeat(300)}`, initrds: [], args: [long] },
  };
  for (const text of [renderScript(order, bios), renderConfig(order, grub)]) {
    expect(text).toContain(long);
    expect(text).toContain("k".repeat(300));
  }
});

test("a long reason is cut where a screen ends", () => {
  expect(plainText("x".repeat(500))).toHaveLength(160);
});

test("the path of a machine's GRUB configuration says who asks", () => {
  expect(readGrubMachinePath("grub/machine/52:54:00:12:34:56/x86_64.cfg")).toEqual({
    mac: "52:54:00:12:34:56",
    cpu: "x86_64",
  });
  for (const other of [
    "grub/grub.cfg",
    "grub/machine//x86_64.cfg",
    "grub/machine/../x.cfg",
    "grub/x86_64-efi/fs.lst",
  ])
    expect(readGrubMachinePath(other)).toBeUndefined();
});

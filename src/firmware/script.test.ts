import { expect, test } from "bun:test";
import { renderFirstScript, renderRefusal, renderScript } from "../boot/ipxe-script.ts";
import { readScript } from "./script.ts";

const variables = {
  "netX/mac": "02:6c:61:62:00:01",
  mac: "02:6c:61:62:00:01",
  platform: "efi",
  buildarch: "x86_64",
};
const machine = { firmware: "uefi", arch: "x86_64", baseUrl: "http://10.0.0.1:8080" } as const;
const boot = { kernel: "/ram/x86_64/vmlinuz", initrds: ["/ram/x86_64/initrd.img"], args: ["quiet"] };
const end = (text: string) => readScript(text, variables);

test("our own scripts are read as a machine follows them", () => {
  expect(end(renderFirstScript(machine.baseUrl))).toEqual({
    kind: "chain",
    url: "http://10.0.0.1:8080/dispatch?mac=02:6c:61:62:00:01&uuid=&serial=&platform=efi&arch=x86_64",
  });
  expect(end(renderScript({ kind: "discover", boot }, machine))).toMatchObject({
    kind: "boot",
    kernel: "http://10.0.0.1:8080/ram/x86_64/vmlinuz",
    initrds: ["http://10.0.0.1:8080/ram/x86_64/initrd.img"],
  });
  expect(end(renderScript({ kind: "local", method: "auto", reason: "installed" }, machine)).kind).toBe(
    "local",
  );
  expect(end(renderRefusal("nothing for it"))).toEqual({ kind: "refusal", says: "labctl: nothing for it" });
});

test("matchbox's way to name a machine is filled in", () => {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: iPXE's own variables
  expect(end("#!ipxe\nchain ipxe?uuid=${uuid}&mac=${mac:hexhyp}&raw=${mac:hexraw}\n")).toEqual({
    kind: "chain",
    url: "ipxe?uuid=&mac=02-6c-61-62-00-01&raw=026c61620001",
  });
});

test("a script that boots nothing says so", () => {
  expect(end("#!ipxe\necho hello\n")).toEqual({ kind: "nothing" });
});

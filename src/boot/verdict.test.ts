import { expect, test } from "bun:test";
import type { BootFact, DhcpFact } from "./boot-fact.ts";
import type { Entry } from "./boot-seen.ts";
import { decideVerdict } from "./verdict.ts";

const noon = Date.UTC(2026, 0, 1, 12, 1, 0);
const timeOf = (at: number) => new Date(at).toISOString().slice(11, 19);
/** Facts at seconds after 12:01:00, judged long after the last unless `wait` says how many seconds after. */
function verdict(facts: [number, Omitted, number?][], wait = 3600) {
  const entries = facts.map(([second, fact, times = 1]): Entry => {
    // checked: a fact without its time, and the time
    const whole = { ...fact, at: noon + second * 1000 } as BootFact;
    return { fact: whole, times, lastAt: whole.at };
  });
  const last = Math.max(...facts.map(([second]) => second));
  return decideVerdict(entries, noon + (last + wait) * 1000, timeOf);
}
type Omitted = BootFact extends infer Fact ? (Fact extends BootFact ? Omit<Fact, "at"> : never) : never;

const dhcp = (message: string, rest: Partial<DhcpFact> = {}): Omit<DhcpFact, "at"> => ({
  kind: "dhcp",
  port: 67,
  interface: "lab0",
  message,
  client: "pxe",
  platform: "uefi-x64",
  request: "",
  ...rest,
});
const offer = dhcp("DHCPDISCOVER", { answer: "DHCPOFFER", address: "10.0.0.50", bootFile: "ipxe.efi" });
const ack = dhcp("DHCPREQUEST", { answer: "DHCPACK", address: "10.0.0.50", bootFile: "ipxe.efi" });
const binl = dhcp("DHCPREQUEST", { port: 4011, answer: "DHCPACK", bootFile: "ipxe.efi" });
const transfer = (path: string, outcome: string, bytes = 996_864) =>
  ({
    kind: "transfer",
    path,
    size: 996_864,
    blksize: 1468,
    windowsize: 4,
    outcome,
    bytes,
    retries: 2,
    durationMs: 900,
  }) as const;
const fetch = (path: string, status = 200, method = "GET") =>
  ({ kind: "fetch", method, path, status, size: 1000 }) as const;
const ipxe = dhcp("DHCPDISCOVER", {
  client: "ipxe",
  answer: "DHCPOFFER",
  bootFile: "http://10.0.0.1:8080/boot.ipxe",
});
const script = (order: "discover" | "install" | "local" | "menu" | "refusal", reason?: string) =>
  ({
    kind: "script",
    via: "ipxe",
    order,
    ...(reason !== undefined && { reason }),
    files:
      order === "discover" || order === "install" ? ["/ram/x86_64/vmlinuz", "/ram/x86_64/initrd.img"] : [],
  }) as const;
const loaded: [number, Omitted][] = [
  [0, offer],
  [4, ack],
  [5, transfer("ipxe.efi", "completed")],
  [8, ipxe],
  [9, fetch("/boot.ipxe")],
];

test("rule 10: DISCOVERs at 0, 4, 12 and 28 s and no REQUEST are firmware that merges no offers", () => {
  const found = verdict([
    [0, offer],
    [4, offer],
    [12, offer],
    [28, offer],
  ]);
  expect(found.outcome).toBe("stopped");
  expect(found.text).toContain("asked 4 times in 28 s, was offered ipxe.efi and requested nothing");
  expect(found.advice).toContain("dhcp: full");
});

test("rule 13: the same DISCOVERs while the machine may still go on are no verdict yet", () => {
  expect(
    verdict(
      [
        [0, offer],
        [28, offer],
      ],
      10,
    ).outcome,
  ).toBe("under-way");
});

test("an offer it did not take is told apart from one it took and did nothing with", () => {
  expect(verdict([[0, offer]]).text).toContain("did not take the offer");
  expect(
    verdict([
      [3, offer],
      [4, ack],
    ]).text,
  ).toBe("offered a boot file at 12:01:04 (ipxe.efi); the client never asked for it over TFTP");
  expect(
    verdict([
      [0, offer],
      [3, binl],
    ]).text,
  ).toContain("offered a boot file at 12:01:03 on 4011 (ipxe.efi); the client never asked for it over TFTP");
});

test("a DISCOVER we left alone is told with our reason", () => {
  const found = verdict([[0, dhcp("DHCPDISCOVER", { ignored: "no free address in 10.0.0.0/24" }), 3]]);
  expect(found.text).toBe(
    "asked 3 times since 12:01:00 and was not answered: no free address in 10.0.0.0/24",
  );
});

test("rule 3: a request on 4011 that got no answer, and answers that do not arrive, are PXE-E55", () => {
  const ignored = dhcp("DHCPREQUEST", { port: 4011, ignored: "unknown architecture" });
  expect(
    verdict([
      [0, offer],
      [3, ignored],
    ]).text,
  ).toContain("asked on port 4011 at 12:01:03 and was not answered");
  const deaf = verdict([
    [0, offer],
    [3, binl, 4],
  ]);
  expect(deaf.text).toContain("asked 4 times on port 4011 and was answered each time");
  expect(deaf.advice).toContain("firewall");
});

test("rules 3 and 9: what is wrong with another server on the wire is the advice", () => {
  for (const [trouble, message] of [
    ["option-60-without-43", "the DHCP server 10.0.0.254 sends option 60 'PXEClient' without option 43"],
    ["second-proxy", "10.0.0.9 is a second proxyDHCP server here"],
    ["second-dhcp-server", "10.0.0.254 hands out addresses here as well"],
  ] as const) {
    const found = verdict([
      [0, offer],
      [1, { kind: "trouble", trouble, message }],
    ]);
    expect([found.outcome, found.advice]).toEqual(["stopped", message]);
  }
});

test("a transfer that stopped is told with how far it came", () => {
  const timedOut = verdict([
    [0, offer],
    [4, ack],
    [5, transfer("ipxe.efi", "timed-out", 2936)],
  ]);
  expect(timedOut.text).toBe("ipxe.efi over TFTP timed-out after 2936 of 996864 bytes and 2 retries");
  expect(timedOut.advice).toContain("singlePort");
  const aborted = verdict([
    [0, offer],
    [4, ack],
    [5, { ...transfer("ipxe.efi", "aborted", 0), detail: "out of memory" }],
  ]);
  expect(aborted.advice).toContain("the machine broke it off: out of memory");
});

test("rule 17: a request for the size alone is normal, unless the content never follows", () => {
  const probed = transfer("ipxe.efi", "probed", 0);
  expect(
    verdict(
      [
        [0, offer],
        [4, ack],
        [5, probed],
      ],
      5,
    ).outcome,
  ).toBe("under-way");
  expect(
    verdict([
      [0, offer],
      [4, ack],
      [5, probed],
    ]).text,
  ).toContain("asked for its size at 12:01:05 and never for its content");
  expect(
    verdict(
      [
        [0, offer],
        [4, ack],
        [5, probed],
        [6, transfer("ipxe.efi", "completed")],
      ],
      5,
    ).text,
  ).toContain("was loaded");
});

test("a boot file we do not have is named", () => {
  const other = dhcp("DHCPDISCOVER", { answer: "DHCPOFFER", bootFile: "bootx64.efi" });
  const refused = { kind: "tftp-refused", path: "/bootx64.efi", reason: "file not found" } as const;
  expect(
    verdict([
      [0, other],
      [1, refused],
    ]).text,
  ).toContain("bootx64.efi was asked for over TFTP at 12:01:01 and refused");
});

test("rule 19: a loaded program that is never heard from points at Secure Boot", () => {
  const found = verdict([
    [0, offer],
    [4, ack],
    [5, transfer("ipxe.efi", "completed")],
  ]);
  expect(found.text).toBe("ipxe.efi was loaded over TFTP at 12:01:05; nothing was heard from it since");
  expect(found.advice).toContain("Secure Boot");
});

test("rules 14 and 15: HTTP Boot that never comes for its URL, or asks for the size alone", () => {
  const http = dhcp("DHCPDISCOVER", {
    client: "http",
    answer: "DHCPOFFER",
    bootFile: "http://10.0.0.1:8080/boot/ipxe.efi",
  });
  const taken = { ...http, message: "DHCPREQUEST", answer: "DHCPACK" };
  const never = verdict([
    [0, http],
    [4, taken],
  ]);
  expect(never.text).toContain("never asked for it over HTTP");
  expect(never.advice).toContain("plain http");
  expect(
    verdict([
      [0, http],
      [4, taken],
      [5, fetch("/boot/ipxe.efi", 200, "HEAD")],
    ]).text,
  ).toContain("asked for its size");
  const got = verdict([
    [0, http],
    [4, taken],
    [5, fetch("//boot/ipxe.efi")],
  ]);
  expect(got.text).toContain("was loaded over HTTP");
});

test("an iPXE that never fetches its script, or fetches it and never asks what to boot", () => {
  expect(verdict(loaded.slice(0, 4)).text).toContain(
    "iPXE was told at 12:01:08 to load http://10.0.0.1:8080/boot.ipxe",
  );
  expect(verdict(loaded).text).toBe(
    "boot.ipxe was fetched at 12:01:09; the machine never asked what to boot",
  );
});

test("a script that was served and a kernel that was never fetched", () => {
  const found = verdict([...loaded, [10, script("discover")]]);
  expect(found.text).toBe(
    "the script (discover) was served at 12:01:10; the machine never fetched its kernel /ram/x86_64/vmlinuz",
  );
});

test("a kernel that is not there names what to install", () => {
  const found = verdict([...loaded, [10, script("discover")], [11, fetch("/ram/x86_64/vmlinuz", 404), 5]], 1);
  expect([found.outcome, found.text]).toEqual([
    "stopped",
    "/ram/x86_64/vmlinuz was asked for at 12:01:11 and is not there (404)",
  ]);
  expect(found.advice).toContain("ramDir");
});

test("a kernel without its initrd, and both without a report", () => {
  const kernel: [number, Omitted] = [11, fetch("/ram/x86_64/vmlinuz")];
  expect(verdict([...loaded, [10, script("discover")], kernel]).text).toContain(
    "/ram/x86_64/initrd.img never was",
  );
  const both = [
    ...loaded,
    [10, script("discover")] as [number, Omitted],
    kernel,
    [12, fetch("/ram/x86_64/initrd.img")] as [number, Omitted],
  ];
  expect(verdict(both, 60).outcome).toBe("under-way");
  const silent = verdict(both);
  expect(silent.text).toBe("kernel and initrd were fetched by 12:01:12; its discovery report never came");
  expect(silent.advice).toContain("console");
});

test("files fetched before the last script do not count for it", () => {
  const found = verdict([...loaded, [10, fetch("/ram/x86_64/vmlinuz")], [11, script("install")]]);
  expect(found.text).toContain("never fetched its kernel");
});

test("what a machine was sent to do and does ends well", () => {
  expect(verdict([...loaded, [10, script("local", "installed")]])).toEqual({
    outcome: "done",
    text: "sent to its local disk at 12:01:10: installed",
  });
  expect(verdict([...loaded, [10, script("discover")], [60, { kind: "discovered" }]]).text).toBe(
    "reported what it is at 12:02:00",
  );
  const finished = { kind: "install", what: "finished", name: "worker-1" } as const;
  expect(verdict([...loaded, [10, script("install")], [90, finished]]).outcome).toBe("done");
});

test("a refusal, a failed stage and a failed or stalled install are told with their reason", () => {
  expect(verdict([...loaded, [10, script("refusal", "no such architecture")]]).text).toContain(
    "no such architecture",
  );
  const stage = { kind: "stage", stage: "partition", outcome: "failed", message: "no disk" } as const;
  expect(verdict([...loaded, [20, stage]]).text).toBe("stage partition failed at 12:01:20: no disk");
  const stalled = {
    kind: "install",
    what: "stalled",
    name: "worker-1",
    reason: "nothing heard since stage 'packages'",
  } as const;
  expect(verdict([...loaded, [20, stalled]]).text).toContain("nothing heard since stage 'packages'");
});

test("the Secure Boot path: shim loaded and GRUB silent, GRUB's configuration fetched and nothing after", () => {
  const shim = { ...offer, bootFile: "shimx64.efi" };
  const found = verdict([
    [0, shim],
    [4, { ...ack, bootFile: "shimx64.efi" }],
    [5, transfer("shimx64.efi", "completed")],
  ]);
  expect(found.advice).toContain("grubx64.efi");
  const grub = verdict([
    [0, shim],
    [5, transfer("shimx64.efi", "completed")],
    [6, transfer("grub/grub.cfg", "completed")],
  ]);
  expect(grub.text).toContain("grub/grub.cfg was fetched at 12:01:06; the machine never asked what to boot");
});

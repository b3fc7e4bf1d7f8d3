import { readFileSync } from "node:fs";
import { join } from "node:path";

const report: Record<string, unknown> = JSON.parse(
  readFileSync(join(import.meta.dir, "../../src/machines/testdata/report-q35.json"), "utf8"),
);

/** A disk large enough for every role. */
const hardware = {
  system: { vendor: "Dell Inc.", product: "PowerEdge R6515", serial: "SN-1" },
  cpu: { model: "AMD EPYC 7402P 24-Core Processor", sockets: 1, cores: 24, threads: 48 },
  memory: { totalBytes: 128 * 2 ** 30, dimms: [] },
  disks: [{ name: "sda", sizeBytes: 480e9, model: "MZ7L3480HCHQ", serial: "D-1", transport: "sata" }],
  filesystems: [],
};

/** Settings with which a stack serves its lab routes on loopback, at a port of its own. */
export const labSettings = (port: number) => ({
  interfaces: [{ name: "lo", dhcp: "off", address: "127.0.0.1" }],
  http: { port },
  tftp: { port: port + 1 },
});

/** What a machine and its installer say to the lab listener, said by the test. */
export function createLabMachine(port: number, mac: string) {
  const base = `http://127.0.0.1:${port}`;
  let token = "";
  let seq = 0;
  const send = async (path: string, body: unknown) => {
    const response = await fetch(`${base}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  };
  return {
    discover: (parts: Record<string, unknown> = {}) =>
      send("/api/discover", {
        ...report,
        ...hardware,
        mac,
        nics: [{ name: "eth0", mac, link: true }],
        ...parts,
      }),
    /** Its network boot: fetches the script, then the install data, which starts the install. */
    async boot() {
      const script = await (await fetch(`${base}/dispatch?mac=${mac}&platform=efi&arch=x86_64`)).text();
      const [, found] = /\/install\/([\w-]+)\/(\S+)/.exec(script) ?? [];
      if (found === undefined) throw new Error(`no install in its script:\n${script}`);
      token = found;
      const data = await fetch(`${base}/install/${token}/preseed.cfg`);
      if (!data.ok) throw new Error(`no install data: ${data.status} ${await data.text()}`);
    },
    stage: (stage: string, state = "done", message?: string) =>
      send("/api/progress", { seq: ++seq, stage, state, ...(message !== undefined && { message }) }),
    log: (...texts: string[]) =>
      send("/api/log", { lines: texts.map((text) => ({ seq: ++seq, text, source: "syslog" })) }),
  };
}

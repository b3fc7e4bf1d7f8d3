import { expect, test } from "bun:test";
import { daemonConfigSchema } from "./config.ts";
import { atKey, configKeys, environmentName, parseConfig, withKey } from "./config-reading.ts";

const parse = (value: unknown, environment = {}) =>
  parseConfig(daemonConfigSchema, value, "/etc/labctl/config.yaml", environment);

test("an empty file is a whole configuration", () => {
  const config = parse(undefined);
  expect(config.http.port).toBe(8080);
  expect(config.interfaces).toEqual([]);
});

test("an interface takes its mode, range and lease time", () => {
  const config = parse({
    interfaces: [{ name: "eth1", dhcp: "full", range: "10.0.0.10-10.0.0.20", leaseTime: "10m" }],
  });
  expect(config.interfaces[0]).toMatchObject({ dhcp: "full", leaseTime: 600_000, probe: true });
});

test("an unknown key is refused with the file, its place and the nearest known one", () => {
  expect(() => parse({ http: { prot: 1 } })).toThrow("/etc/labctl/config.yaml: unknown key 'http.prot'");
  try {
    parse({ interfaces: [{ name: "eth0", rnage: "x" }] });
  } catch (error) {
    expect(error).toMatchObject({ code: "config", hint: "did you mean 'range'?" });
  }
});

test("a bad value names its key and what it must be", () => {
  expect(() => parse({ interfaces: [{ name: "eth0", leaseTime: "soon" }] })).toThrow(
    "'interfaces.0.leaseTime' must be a duration",
  );
});

test("the environment overrides the file", () => {
  expect(parse({ http: { port: 1 } }, { LABCTL_HTTP_PORT: "9090" }).http.port).toBe(9090);
  expect(parse({}, { LABCTL_DATA_DIR: "/srv/lab" }).dataDir).toBe("/srv/lab");
  expect(environmentName("tftp.maxPerClient")).toBe("LABCTL_TFTP_MAX_PER_CLIENT");
});

test("every key is listed once, and can be read and replaced by its dotted name", () => {
  const keys = configKeys(daemonConfigSchema);
  expect(keys).toContain("tftp.singlePort");
  expect(new Set(keys).size).toBe(keys.length);
  expect(atKey(withKey({ a: { b: 1, c: 2 } }, ["a", "b"], 3), "a.b")).toBe(3);
});

test("an error names the line where the key's place is known, and the variable where the value came from one", () => {
  const place = (path: readonly PropertyKey[]) => `config.yaml:${path.length}`;
  const parseAt = (value: unknown, environment = {}) =>
    parseConfig(daemonConfigSchema, value, place, environment);
  expect(() => parseAt({ http: { prot: 1 } })).toThrow("config.yaml:2: unknown key 'http.prot'");
  expect(() => parseAt({ interfaces: [{ name: "x", dhcp: "ful" }] })).toThrow("config.yaml:3: ");
  expect(() => parseAt({}, { LABCTL_HTTP_PORT: "many" })).toThrow(/^LABCTL_HTTP_PORT: 'http.port'/);
  expect(() => parseAt({}, { LABCTL_HTTP_PORT: "[1" })).toThrow("LABCTL_HTTP_PORT: '[1' is not YAML");
});

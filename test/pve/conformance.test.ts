import { describe, expect, test } from "bun:test";
import type { Operation } from "../fake-pve/operation.ts";
import { operations } from "../fake-pve/operations.ts";
import { findFaults, inVersion, type Major, type Param } from "../fake-pve/params.ts";
import { createRoutes } from "../fake-pve/server.ts";
import { matchRecordings } from "./matched.ts";
import { type Described, dataFolder, type Property, readRecordings, readSchema } from "./recordings.ts";

const versions = [
  ["7.4", 7],
  ["8.4", 8],
  ["9.2", 9],
] as const;
const nameOf = (operation: Operation) => `${operation.method} ${operation.path}`;

if (dataFolder === undefined) {
  test.skip("conformance with the real API is skipped: LABCTL_PVE_DATA names no folder of schemas and recordings", () => {});
  console.warn("test/pve/conformance: skipped, LABCTL_PVE_DATA is not set");
}

describe.skipIf(dataFolder === undefined)("the fake's description beside the API's own", () => {
  for (const [version, major] of versions) {
    test(`every operation of ${version} and its parameters are as the schema has them`, () => {
      const schema = readSchema(version);
      expect(schema.size).toBeGreaterThan(400);
      const wrong: string[] = [];
      for (const operation of operations) {
        const described = schema.get(nameOf(operation));
        if ((operation.since ?? 7) > major) {
          if (described) wrong.push(`${nameOf(operation)} is there already`);
          continue;
        }
        if (!described) wrong.push(`${nameOf(operation)} is not in the schema`);
        else wrong.push(...compareParams(operation, described, major));
      }
      expect(wrong).toEqual([]);
    });

    test(`what an operation of ${version} answers is of the described type`, () => {
      const schema = readSchema(version);
      const wrong = createRoutes(major).flatMap(({ operation, answer }) => {
        const type = schema.get(nameOf(operation))?.returns?.type;
        // The guest agent's and nextid's answers are known to be other than described.
        if (type === undefined || operation.path === "/cluster/nextid") return [];
        const samples: Record<string, unknown> = {
          null: null,
          array: [],
          string: "UPID:pve1:00000001:00000002:00000003:qmstart:101:a@b!c:",
        };
        if (type === "object")
          return answer.safeParse(null).success ? [`${nameOf(operation)} takes null`] : [];
        return answer.safeParse(samples[type]).success
          ? []
          : [`${nameOf(operation)} is described as ${type}`];
      });
      expect(wrong).toEqual([]);
    });
  }
});

function compareParams(operation: Operation, described: Described, major: Major): string[] {
  const theirs = described.parameters?.properties ?? {};
  const wrong: string[] = [];
  for (const [name, param] of Object.entries(operation.params)) {
    const known = (param.since ?? 7) <= major && major <= (param.until ?? 9);
    const their = theirs[name];
    const at = `${nameOf(operation)} ${name}`;
    if (!known) {
      if (their) wrong.push(`${at}: ${major} knows it`);
    } else if (!their) wrong.push(`${at}: ${major} does not know it`);
    else wrong.push(...compareParam(inVersion(param, major), their, major).map((what) => `${at}: ${what}`));
  }
  for (const [name, their] of Object.entries(theirs)) {
    if (!their.optional && operation.params[name] === undefined)
      wrong.push(`${nameOf(operation)} ${name}: is not optional`);
  }
  return wrong;
}

function compareParam(own: Param, their: Property, major: Major): string[] {
  const wrong: string[] = [];
  const differ = (what: string, mine: unknown, other: unknown) => {
    if (mine !== undefined && String(mine) !== String(other)) wrong.push(`${what} is ${other}, not ${mine}`);
  };
  differ("type", own.type, their.type ?? "string");
  differ("optional", own.optional, their.optional ?? false);
  // PVE 7 took vmids from 1 on; nobody is to be given one.
  if (!(own.format === "pve-vmid" && major === 7)) {
    differ("minimum", own.min, their.minimum);
    differ("maximum", own.max, their.maximum);
  }
  differ("maxLength", own.maxLength, their.maxLength);
  if (own.format !== undefined && own.format !== "property" && typeof their.format === "string")
    differ("format", own.format, their.format);
  if (own.enum && their.enum) {
    const missing = own.enum.filter((value) => !their.enum?.includes(value));
    // `import` came with 8.
    if (missing.length > 0 && !(major === 7 && missing.join() === "import"))
      wrong.push(`enum lacks ${missing.join(", ")}`);
  }
  if (own.pattern !== undefined && their.pattern !== undefined) differ("pattern", own.pattern, their.pattern);
  return wrong;
}

describe.skipIf(dataFolder === undefined)("the fake's description beside every recorded exchange", () => {
  test("a request the real API took is well-formed, one it refused with 400 is refused for the same parameters", () => {
    const matched = matchRecordings(readRecordings());
    expect(matched.length).toBeGreaterThan(350);
    const wrong: string[] = [];
    for (const { recording, route, params } of matched) {
      const { status, body } = recording.response;
      // What went wrong before the parameters were looked at.
      if (
        [401, 403, 501, 506].includes(status) ||
        (typeof recording.request.body === "string" && !/^\w+=/.test(recording.request.body))
      )
        continue;
      const faults = findFaults(route.request, params);
      const theirs = status === 400 ? Object.keys(errorsOf(body)).sort() : [];
      if (status === 400 && byState.has(recording.name)) {
        if (Object.keys(faults).length > 0)
          wrong.push(`${recording.name}: ${JSON.stringify(faults)} is about the request`);
      } else if (Object.keys(faults).sort().join() !== theirs.join()) {
        wrong.push(
          `${recording.name}: refused ${theirs.join() || "nothing"}, the fake ${JSON.stringify(faults)}`,
        );
      } else
        for (const [name, text] of Object.entries(faults)) {
          const their = errorsOf(body)[name];
          if (text !== their) wrong.push(`${recording.name}: ${name}: '${their}', the fake '${text}'`);
        }
    }
    expect(wrong).toEqual([]);
  });

  test("every recorded success is of the shape the fake's answers are held to", () => {
    const wrong: string[] = [];
    for (const { recording, route } of matchRecordings(readRecordings())) {
      if (recording.response.status !== 200) continue;
      const found = route.answer.safeParse(dataOf(recording.response.body));
      if (!found.success)
        wrong.push(
          `${recording.name}: ${found.error.issues[0]?.path.join(".")}: ${found.error.issues[0]?.message}`,
        );
    }
    expect(wrong).toEqual([]);
  });
});

/** Refused with 400 for what the cluster was like, not for the request. */
const byState = new Set(["nextid-taken", "unknown-upid", "bad-upid", "config-missing-bridge-perm"]);

function errorsOf(body: unknown): Record<string, string> {
  const errors = typeof body === "object" && body !== null && "errors" in body ? body.errors : {};
  return Object.fromEntries(Object.entries(errors ?? {}).map(([name, text]) => [name, String(text)]));
}

function dataOf(body: unknown): unknown {
  return typeof body === "object" && body !== null && "data" in body ? body.data : undefined;
}

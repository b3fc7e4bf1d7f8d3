import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

interface Source {
  path: string;
  text: string;
  imports: { from: string; typeOnly: boolean }[];
}

const root = join(import.meta.dir, "..");
const sources: Source[] = [...new Bun.Glob("src/**/*.{ts,tsx}").scanSync(root)]
  .filter((path) => !path.includes("/testdata/"))
  .sort()
  .map(readSource);
const product = sources.filter((source) => !/\.test\.tsx?$/.test(source.path));

function readSource(path: string): Source {
  const text = readFileSync(join(root, path), "utf8");
  const imports = [
    ...text.matchAll(/^\s*(?:import|export)\s+(type\s+)?(?:[^"';]*?\sfrom\s+)?"([^"]+)"/gm),
  ].map((found) => ({ from: resolve(path, found[2] ?? ""), typeOnly: found[1] !== undefined }));
  for (const found of text.matchAll(/\bimport\("([^"]+)"\)/g)) {
    imports.push({ from: resolve(path, found[1] ?? ""), typeOnly: false });
  }
  return { path, text, imports };
}

/** A relative import as a path from the root; a package as it stands. */
function resolve(path: string, specifier: string): string {
  return specifier.startsWith(".") ? normalize(join(dirname(path), specifier)) : specifier;
}

const roomOf = (path: string) => /^src\/([^/]+)\//.exec(path)?.[1];
const nameOf = (path: string) => path.slice(path.lastIndexOf("/") + 1);

/** What each room may reach; another room of the product only through its door (see the next rule). */
const mayImport: Record<string, readonly string[]> = {
  platform: ["platform"],
  protocols: ["protocols", "platform"],
  store: ["store", "platform"],
  access: ["access", "vault", "store", "platform", "protocols", "http"],
  vault: ["vault", "store", "platform"],
  machines: ["machines", "images", "access", "store", "platform", "protocols", "http"],
  images: ["images", "access", "store", "platform", "protocols", "http"],
  boot: ["boot", "machines", "images", "store", "platform", "protocols", "http"],
  firmware: ["firmware", "platform", "protocols"],
  uplink: ["uplink", "agent", "access", "machines", "fleet", "store", "platform"],
  fleet: ["fleet", "access", "machines", "store", "platform", "protocols", "http"],
  sandboxes: ["sandboxes", "access", "vault", "store", "platform", "protocols", "http"],
  agent: ["agent", "access", "platform", "protocols", "fleet", "machines"],
  http: ["http", "access", "platform", "store"],
  ui: ["ui", "access", "machines", "images", "boot", "fleet", "http", "platform"],
  roles: ["*"],
  cli: ["*"],
};
/** The files of a room that other rooms may name. */
const door =
  /^(service|desk|[a-z0-9-]+-service|model|inventory|events|api|connection|[a-z]*-?protocol|routes|[a-z0-9-]+-routes)\.ts$/;

function breaches(check: (source: Source) => string[]): string[] {
  return product.flatMap((source) => check(source).map((what) => `${source.path}: ${what}`));
}

test("the sources are found and read", () => {
  expect(product.length).toBeGreaterThan(3);
  expect(product.some((source) => source.imports.length > 0)).toBe(true);
});

test("arrows point one way: each room imports only the rooms it may", () => {
  const wrong = breaches((source) => {
    const own = roomOf(source.path);
    if (own === undefined) return [];
    const allowed = mayImport[own];
    if (allowed === undefined) return [`the room '${own}' is not in the table of this test`];
    return source.imports.flatMap(({ from }) => {
      const room = roomOf(from);
      return room === undefined || allowed.includes("*") || allowed.includes(room) ? [] : [`imports ${from}`];
    });
  });
  expect(wrong).toEqual([]);
});

test("a room is entered by its service, its model or its routes", () => {
  const open = ["platform", "protocols", "store", "http"];
  const wrong = breaches((source) => {
    const own = roomOf(source.path);
    if (own === undefined || own === "roles" || own === "cli") return [];
    return source.imports.flatMap(({ from }) => {
      const room = roomOf(from);
      if (room === undefined || room === own || open.includes(room)) return [];
      return door.test(nameOf(from)) ? [] : [`reaches into ${from}`];
    });
  });
  expect(wrong).toEqual([]);
});

const edge = /\.(server|client)\.ts$/;
const alwaysPure = /(^|\/)(model|inventory|classify|offer|decide|verdict)\.ts$/;

test("pure files touch no runtime, clock or randomness", () => {
  const wrong = breaches((source) => {
    const pure =
      (source.path.startsWith("src/protocols/") && !edge.test(source.path)) || alwaysPure.test(source.path);
    if (!pure) return [];
    const code = withoutComments(source.text);
    const used = [
      /\bBun\./,
      /\bprocess\./,
      /\bDate\.now\(/,
      /\bnew Date\(\)/,
      /\bMath\.random\(/,
      /\bcrypto\./,
    ];
    return [
      ...source.imports
        .filter(({ from, typeOnly }) => !typeOnly && /^(node:|bun)/.test(from))
        .map(({ from }) => `imports ${from}`),
      ...used.filter((word) => word.test(code)).map((word) => `uses ${word.source}`),
    ];
  });
  expect(wrong).toEqual([]);
});

test("imports form no circle", () => {
  const byPath = new Map(product.map((source) => [source.path, source]));
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (path: string, trail: string[]) => {
    if (trail.includes(path)) {
      circles.push([...trail.slice(trail.indexOf(path)), path].join(" → "));
      return;
    }
    if (done.has(path)) return;
    for (const { from } of byPath.get(path)?.imports ?? [])
      if (byPath.has(from)) visit(from, [...trail, path]);
    done.add(path);
  };
  for (const source of product) visit(source.path, []);
  expect(circles).toEqual([]);
});

/** Where the types of a vendor end. */
const vendors: { name: RegExp; allowed: RegExp }[] = [
  { name: /^drizzle-orm/, allowed: /^src\/store\/|repository\.ts$/ },
  { name: /^bun:sqlite/, allowed: /^src\/store\// },
  { name: /^hono/, allowed: /^src\/(http|ui)\/|routes\.ts$|^src\/cli\/client\.ts$/ },
  { name: /^undici/, allowed: /^src\/protocols\/pve\// },
  { name: /^citty/, allowed: /^src\/cli\/|^src\/main\.ts$/ },
  { name: /^consola/, allowed: /^src\/cli\/|^src\/platform\/logger/ },
  { name: /^bun:ffi/, allowed: edge },
];

test("vendor types stop at their edge", () => {
  const wrong = breaches((source) =>
    source.imports.flatMap(({ from }) =>
      vendors
        .filter(({ name, allowed }) => name.test(from) && !allowed.test(source.path))
        .map(() => `imports ${from}`),
    ),
  );
  expect(wrong).toEqual([]);
});

/** Where verification is off because something stronger takes its place before anything secret is sent. */
const verifiesByItself = [
  // Checks the pinned leaf certificate.
  "src/protocols/pve/pinned-tls.client.ts",
  // Fetches the public root and compares it with the join token's fingerprint; the next connection verifies by it.
  "src/agent/enrolment.client.ts",
];

test("TLS without verification is for the files that check a fingerprint themselves", () => {
  const wrong = breaches((source) => {
    // A server may ask for certificates and judge them later; that is no client trusting a stranger.
    const unchecked = /rejectUnauthorized:\s*(?!true\b)|NODE_TLS_REJECT_UNAUTHORIZED/.test(
      withoutComments(source.text),
    );
    if (!unchecked || /requestCert:\s*true/.test(source.text)) return [];
    return verifiesByItself.includes(source.path) ? [] : ["switches verification off"];
  });
  expect(wrong).toEqual([]);
});

test("undici is imported by its file: under its bare name Bun's stand-in ignores the connector", () => {
  const wrong = breaches((source) =>
    source.imports
      .filter(({ from }) => /^undici(?!\/index\.js$)/.test(from))
      .map(({ from }) => `imports ${from}`),
  );
  expect(wrong).toEqual([]);
});

const runsCommands = (source: Source) =>
  source.imports.some(({ from }) => /^(node:)?child_process$/.test(from)) ||
  /\bBun\.(spawn|spawnSync|\$)|import \{[^}]*\$[^}]*\} from "bun"/.test(withoutComments(source.text));
const speaksHttp = (source: Source) =>
  source.imports.some(({ from }) => /^(undici|(node:)?https?2?$)|^src\/protocols\/pve\//.test(from)) ||
  /\bfetch\(/.test(withoutComments(source.text));

test("what talks to Proxmox runs no commands, and what runs commands on a host talks to no HTTP server", () => {
  const wrong = breaches((source) => {
    if (source.path.startsWith("src/protocols/pve/")) return runsCommands(source) ? ["runs commands"] : [];
    return source.path.startsWith("src/agent/") && runsCommands(source) && speaksHttp(source)
      ? ["runs commands and speaks HTTP"]
      : [];
  });
  expect(wrong).toEqual([]);
});

test("only cli/ prints, and only cli/ and main end the process", () => {
  const wrong = breaches((source) => {
    if (source.path.startsWith("src/cli/") || source.path === "src/main.ts") return [];
    const code = withoutComments(source.text);
    return [/\bconsole\.\w+\(/, /process\.std(out|err)\.write/, /process\.exit\(/]
      .filter((word) => word.test(code))
      .map((word) => `uses ${word.source}`);
  });
  expect(wrong).toEqual([]);
});

test("only the fixed list of host operations names sudo: nothing else in the agent can start a privileged command", () => {
  const wrong = breaches((source) => {
    if (!source.path.startsWith("src/agent/") || source.path === "src/agent/host-operations.ts") return [];
    return /sudo|\bpkexec\b|\bdoas\b|setuid\(/.test(
      withoutComments(source.text).replaceAll(/"sudo" : |privilege/g, ""),
    )
      ? ["names a way to become root"]
      : [];
  });
  expect(wrong).toEqual([]);
});

test("no module holds mutable state", () => {
  const wrong = breaches((source) =>
    [...source.text.matchAll(/^(?:export )?(?:let|var) (\w+)/gm)].map((found) => `let ${found[1]}`),
  );
  expect(wrong).toEqual([]);
});

test("a cast says why it holds", () => {
  const wrong = breaches((source) => {
    const lines = source.text.split("\n");
    return lines.flatMap((line, index) => {
      const code = line.replace(/\/\/.*|"[^"]*"|`[^`]*`/g, "");
      if (!/\bas (?!const\b)[A-Za-z{[(]/.test(code) || /^\s*(\*|\/\*)/.test(line)) return [];
      if (/\b(import|export)\b/.test(line) || /^\s*[\w$]+ as [\w$]+,?$/.test(line)) return [];
      const near = lines.slice(Math.max(0, index - 3), index).join("\n");
      return near.includes("// checked:") ? [] : [`${index + 1}: ${line.trim()}`];
    });
  });
  expect(wrong).toEqual([]);
});

test("a file is about one thing: 400 lines at most", () => {
  expect(breaches((source) => (source.text.split("\n").length > 400 ? ["is too long"] : []))).toEqual([]);
});

test("names say what a file holds", () => {
  const wrong = breaches(({ path }) =>
    /(utils?|helpers?|common|manager|misc)\b/.test(nameOf(path)) || !/^[a-z0-9.-]+$/.test(nameOf(path))
      ? ["is a name that says nothing, or not kebab-case"]
      : [],
  );
  expect(wrong).toEqual([]);
});

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "$1");
}

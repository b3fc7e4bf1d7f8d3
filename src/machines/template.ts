import { AppError } from "../platform/errors.ts";

/** The text of a template by its path, `debian/install.preseed`; embedded, or overridden on disk. */
export type TemplateTexts = (path: string) => string | undefined;
/** The same, parsed. @throws `invalid` */
export type Templates = (path: string) => readonly Node[] | undefined;

export type TemplateValue = string | number | boolean | undefined | readonly TemplateValue[] | TemplateRecord;
export interface TemplateRecord {
  readonly [name: string]: TemplateValue;
}

type Node =
  | { kind: "text"; text: string }
  | { kind: "value"; name: string; filter: Filter; line: number }
  | { kind: "include"; path: string; line: number }
  | { kind: "if"; name: string; negated: boolean; yes: Node[]; no: Node[]; line: number }
  | { kind: "each"; name: string; item: string; body: Node[]; line: number };

/**
 * How a value enters the text. None lets a control character or a line break through, so no value can begin
 * a line of its own.
 *  - `shell`: one word in single quotes, for shell and for kickstart's commands, which are split alike
 *  - `line`: the rest of a preseed line, as it is
 *  - `word`: unquoted; only characters that mean nothing to any shell
 */
const filters = {
  shell: (text: string) => `'${text.replaceAll("'", "'\\''")}'`,
  line: (text: string) => (text === text.trim() && !text.endsWith("\\") ? text : undefined),
  word: (text: string) => (/^[\w.:/@%+=,-]+$/.test(text) ? text : undefined),
};
type Filter = keyof typeof filters;

const isFilter = (name: string): name is Filter => Object.hasOwn(filters, name);
/** What a bare `{{name}}` means in a file of this kind. */
const defaultFilter = (path: string): Filter => (path.endsWith(".preseed") ? "line" : "shell");

const maxIncludes = 16;

/** Each is parsed when it is first asked for, and anew when its text has changed. */
export function parseTemplates(texts: TemplateTexts): Templates {
  const parsed = new Map<string, { text: string; nodes: readonly Node[] }>();
  return (path) => {
    const text = texts(path);
    if (text === undefined) return undefined;
    const known = parsed.get(path);
    if (known?.text === text) return known.nodes;
    const nodes = parseTemplate(path, text);
    parsed.set(path, { text, nodes });
    return nodes;
  };
}

/**
 * Renders the template at `path`. `{{name}}`, `{{name|filter}}`, `{{> other/file.sh}}`,
 * `{{#if name}} … {{else}} … {{/if}}` (`{{#if !name}}`), `{{#each list as item}} … {{/each}}`.
 * A tag with nothing else on its line takes the line with it, save for values.
 * @throws `invalid`, naming template, line and variable.
 */
export function renderTemplate(templates: Templates, path: string, values: TemplateRecord): string {
  return renderFile(templates, path, values, []);
}

function renderFile(
  templates: Templates,
  path: string,
  values: TemplateRecord,
  trail: readonly string[],
): string {
  if (trail.includes(path) || trail.length >= maxIncludes) {
    throw new AppError("invalid", `template ${path} includes itself (${[...trail, path].join(" → ")})`);
  }
  const nodes = templates(path);
  if (nodes === undefined) throw new AppError("invalid", `there is no template ${path}`);

  const run = (list: readonly Node[], scope: TemplateRecord): string =>
    list.map((node) => write(node, scope)).join("");
  const write = (node: Node, scope: TemplateRecord): string => {
    switch (node.kind) {
      case "text":
        return node.text;
      case "include":
        return `${renderFile(templates, node.path, scope, [...trail, path]).trimEnd()}\n`;
      case "if": {
        const value = find(path, node, scope);
        const holds = Array.isArray(value) ? value.length > 0 : Boolean(value);
        return run(holds !== node.negated ? node.yes : node.no, scope);
      }
      case "each": {
        const value = find(path, node, scope);
        if (!Array.isArray(value)) throw problem(path, node.line, `'${node.name}' is not a list`);
        return value.map((item) => run(node.body, { ...scope, [node.item]: item })).join("");
      }
      case "value":
        return quote(path, node, find(path, node, scope));
    }
  };
  return run(nodes, values);
}

function find(path: string, node: { name: string; line: number }, scope: TemplateRecord): TemplateValue {
  let value: TemplateValue = scope;
  for (const part of node.name.split(".")) {
    if (!isRecord(value) || !Object.hasOwn(value, part)) {
      throw problem(path, node.line, `the variable '${node.name}' is not known`);
    }
    value = value[part];
  }
  return value;
}

const isRecord = (value: TemplateValue): value is TemplateRecord =>
  typeof value === "object" && !Array.isArray(value);

function quote(path: string, node: Extract<Node, { kind: "value" }>, value: TemplateValue): string {
  if (value === undefined) throw problem(path, node.line, `the variable '${node.name}' is not set`);
  if (typeof value === "object") throw problem(path, node.line, `'${node.name}' is not a single value`);
  const text = String(value);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  const clean = !/[\u0000-\u001f\u007f\u0085\u2028\u2029]/.test(text);
  const quoted = clean ? filters[node.filter](text) : undefined;
  if (quoted !== undefined) return quoted;
  throw problem(path, node.line, `the value of '${node.name}' has characters that cannot stand there`);
}

function problem(path: string, line: number, what: string): AppError {
  return new AppError("invalid", `template ${path}, line ${line}: ${what}`, {
    hint: "templates of the same path in the daemon's kickstartDir replace the built-in ones",
  });
}

interface Open {
  node: Extract<Node, { kind: "if" | "each" }>;
  into: Node[];
}

function parseTemplate(path: string, text: string): Node[] {
  const root: Node[] = [];
  const open: Open[] = [];
  // A block tag alone on its line takes indentation and line break with it.
  const tag = /(^[ \t]*)?\{\{([#/>]|else\b)?([^{}\n]*)\}\}([ \t]*\n)?/gm;
  let at = 0;
  const into = () => open.at(-1)?.into ?? root;
  const addText = (piece: string) => {
    if (piece !== "") into().push({ kind: "text", text: piece });
  };
  for (const found of text.matchAll(tag)) {
    const [whole, indent, sigil, inner = "", ending] = found;
    const first = found.index === 0 || text[found.index - 1] === "\n";
    const alone = sigil !== undefined && first && ending !== undefined;
    addText(text.slice(at, found.index) + (alone ? "" : (indent ?? "")));
    at = found.index + whole.length;
    const line = lineAt(text, found.index);
    readTag(path, line, sigil, inner.trim(), open, into());
    if (!alone) addText(ending ?? "");
  }
  const stray = text.indexOf("{{", at);
  if (stray !== -1) throw problem(path, lineAt(text, stray), "a tag is not closed on its line");
  addText(text.slice(at));
  const unclosed = open.at(-1);
  if (unclosed) throw problem(path, unclosed.node.line, `{{#${unclosed.node.kind}}} is not closed`);
  return root;
}

function readTag(
  path: string,
  line: number,
  sigil: string | undefined,
  inner: string,
  open: Open[],
  into: Node[],
): void {
  const name = "[a-zA-Z]\\w*(?:\\.[a-zA-Z]\\w*)*";
  const last = open.at(-1);
  if (sigil === ">") {
    if (!/^[\w-]+(\/[\w.-]+)+$/.test(inner)) throw problem(path, line, `'${inner}' is not a template's path`);
    into.push({ kind: "include", path: inner, line });
  } else if (sigil === "#") {
    const condition = new RegExp(`^if (!?)(${name})$`).exec(inner);
    const loop = new RegExp(`^each (${name}) as ([a-zA-Z]\\w*)$`).exec(inner);
    const node: Open["node"] | undefined = condition
      ? { kind: "if", name: condition[2] ?? "", negated: condition[1] === "!", yes: [], no: [], line }
      : loop
        ? { kind: "each", name: loop[1] ?? "", item: loop[2] ?? "", body: [], line }
        : undefined;
    if (node === undefined) throw problem(path, line, `{{#${inner}}} is not understood`);
    into.push(node);
    open.push({ node, into: node.kind === "if" ? node.yes : node.body });
  } else if (sigil === "else") {
    if (last?.node.kind !== "if" || last.into === last.node.no)
      throw problem(path, line, "{{else}} without {{#if}}");
    last.into = last.node.no;
  } else if (sigil === "/") {
    if (last?.node.kind !== inner) throw problem(path, line, `{{/${inner}}} closes nothing`);
    open.pop();
  } else {
    const value = new RegExp(`^(${name})(?:\\|(\\w+))?$`).exec(inner);
    const filter = value?.[2] ?? defaultFilter(path);
    if (!value?.[1] || !isFilter(filter)) throw problem(path, line, `{{${inner}}} is not understood`);
    into.push({ kind: "value", name: value[1], filter, line });
  }
}

const lineAt = (text: string, index: number) => text.slice(0, index).split("\n").length;

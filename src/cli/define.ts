import {
  type ArgDef,
  type ArgsDef,
  defineCommand as citty,
  type ParsedArgs,
  parseArgs,
  renderUsage,
} from "citty";
import { AppError } from "../platform/errors.ts";
import { nearest } from "../platform/nearest.ts";

/** What a command's `run` gets beside its parsed arguments. */
export interface Invocation {
  /** Every value of a flag that may be given more than once, in order. */
  many(flag: string): string[];
  /** What follows `--`. */
  rest: string[];
}

export interface Command {
  kind: "command";
  summary: string;
  /** One line a user can paste, shown by `--help`. */
  example: string;
  args: ArgsDef;
  /** What follows `--` is handed on; without it, such words are refused. */
  takesRest: boolean;
  run(raw: string[], invocation: Invocation): Promise<void>;
}

export interface Group {
  kind: "group";
  summary: string;
  example: string;
  /** Loaded only when asked for, so that one command never pays for another. */
  commands: Record<string, { summary: string; load: () => Promise<Node> }>;
}

export type Node = Command | Group;

/** The flag of every command that prints records. */
export const outputFlag = {
  output: {
    type: "enum",
    alias: "o",
    options: ["table", "json", "yaml"],
    description: "how to print: table, json or yaml",
  },
} as const satisfies ArgsDef;

export function defineCommand<const Args extends ArgsDef>(definition: {
  summary: string;
  example: string;
  args: Args;
  takesRest?: boolean;
  run: (args: ParsedArgs<Args>, invocation: Invocation) => Promise<void> | void;
}): Command {
  const { summary, example, args } = definition;
  return {
    kind: "command",
    summary,
    example,
    args,
    takesRest: definition.takesRest ?? false,
    run: async (raw, invocation) => {
      await definition.run(parseArgs<Args>(raw, args), invocation);
    },
  };
}

export function defineGroup(definition: Omit<Group, "kind">): Group {
  return { kind: "group", ...definition };
}

/** Finds the command `argv` names below `node` and runs it, or prints its help with `print`. */
export async function runNode(
  node: Node,
  argv: readonly string[],
  path: readonly string[],
  print: (text: string) => void,
): Promise<void> {
  if (node.kind === "group") {
    const [word, ...rest] = argv;
    if (word === undefined || isHelp(word)) {
      print(await usageOf(node, path));
      return;
    }
    const names = Object.keys(node.commands);
    if (word.startsWith("-")) throw unknown("flag", word, ["--help"], path);
    const found = Object.hasOwn(node.commands, word) ? node.commands[word] : undefined;
    if (found === undefined) throw unknown("command", word, names, path);
    await runNode(await found.load(), rest, [...path, word], print);
    return;
  }
  const end = argv.indexOf("--");
  const own = end === -1 ? [...argv] : argv.slice(0, end);
  if (own.some(isHelp)) {
    print(await usageOf(node, path));
    return;
  }
  const { single, many } = checkArguments(node, own, path);
  const rest = end === -1 ? [] : argv.slice(end + 1);
  if (rest.length > 0 && !node.takesRest) throw unexpected(rest[0] ?? "", path);
  await node.run(single, { many: (flag) => many.get(flag) ?? [], rest });
}

const isHelp = (word: string) => word === "--help" || word === "-h";

/** Refuses what the command does not know, and gathers the values of flags given more than once. */
function checkArguments(command: Command, argv: readonly string[], path: readonly string[]) {
  const flags = new Map<string, { name: string; definition: ArgDef }>();
  let positionals = 0;
  let required = 0;
  for (const [name, definition] of Object.entries(command.args)) {
    if (definition.type === "positional") {
      positionals++;
      if (definition.required !== false && definition.default === undefined) required++;
      continue;
    }
    flags.set(`--${name}`, { name, definition });
    const alias = "alias" in definition ? definition.alias : undefined;
    for (const letter of Array.isArray(alias) ? alias : alias === undefined ? [] : [alias]) {
      flags.set(`-${letter}`, { name, definition });
    }
  }
  const single: string[] = [];
  const many = new Map<string, string[]>();
  let seen = 0;
  for (let index = 0; index < argv.length; index++) {
    const word = argv[index] ?? "";
    if (!word.startsWith("-") || word === "-") {
      seen++;
      if (seen > positionals) throw unexpected(word, path);
      single.push(word);
      continue;
    }
    const [flag = "", inline] = splitOnce(word);
    const found = flags.get(flag) ?? flags.get(flag.replace(/^--no-/, "--"));
    if (found === undefined) throw unknown("flag", flag, [...flags.keys(), "--help"], path);
    const { name, definition } = found;
    if (definition.type === "boolean") {
      single.push(flag.startsWith("--no-") ? `--no-${name}` : `--${name}`);
      continue;
    }
    const value = inline ?? argv[++index];
    if (value === undefined) {
      throw new AppError("usage", `${flag} needs a value`, { hint: `labctl ${path.join(" ")} --help` });
    }
    many.set(name, [...(many.get(name) ?? []), value]);
    if ("options" in definition && definition.options !== undefined && !definition.options.includes(value)) {
      throw new AppError("usage", `${flag} '${value}' is not one of ${definition.options.join(", ")}`, {
        hint: didYouMean(nearest(value, definition.options), path),
      });
    }
    single.push(`--${name}=${value}`);
  }
  if (seen < required) {
    const missing = Object.entries(command.args).filter(([, definition]) => definition.type === "positional")[
      seen
    ];
    throw new AppError("usage", `${(missing?.[0] ?? "argument").toUpperCase()} is missing`, {
      hint: `for example: ${command.example}`,
    });
  }
  for (const [name, definition] of Object.entries(command.args)) {
    if (definition.type !== "positional" && definition.required === true && !many.has(name)) {
      throw new AppError("usage", `--${name} is missing`, { hint: `for example: ${command.example}` });
    }
  }
  return { single, many };
}

function splitOnce(word: string): [string, string | undefined] {
  const at = word.indexOf("=");
  return at === -1 ? [word, undefined] : [word.slice(0, at), word.slice(at + 1)];
}

function unknown(what: string, word: string, known: readonly string[], path: readonly string[]): AppError {
  const place = path.length === 0 ? "" : ` of 'labctl ${path.join(" ")}'`;
  return new AppError("usage", `there is no ${what} '${word}'${place}`, {
    hint: didYouMean(nearest(word, known), path),
  });
}

function unexpected(word: string, path: readonly string[]): AppError {
  return new AppError("usage", `'${word}' is one argument too many for 'labctl ${path.join(" ")}'`, {
    hint: `labctl ${path.join(" ")} --help`,
  });
}

function didYouMean(close: string | undefined, path: readonly string[]): string {
  return close === undefined ? `labctl ${[...path, "--help"].join(" ")}` : `did you mean '${close}'?`;
}

async function usageOf(node: Node, path: readonly string[]): Promise<string> {
  const name = ["labctl", ...path].join(" ");
  const text = await renderUsage(
    citty({
      meta: { name, description: node.summary },
      args: node.kind === "command" ? node.args : {},
      ...(node.kind === "group" && {
        subCommands: Object.fromEntries(
          Object.entries(node.commands).map(([word, { summary }]) => [
            word,
            citty({ meta: { name: word, description: summary } }),
          ]),
        ),
      }),
    }),
  );
  return `${text.trimEnd()}\n\nExample:\n  ${node.example}`;
}

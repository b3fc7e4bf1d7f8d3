/** What an iPXE script comes to when everything it tries succeeds. */
export type ScriptEnd =
  /** Goes on with what is at this URL. */
  | { kind: "chain"; url: string }
  | { kind: "boot"; kernel: string; initrds: string[]; args: string }
  /** Hands the machine to its disk or its next boot device. */
  | { kind: "local"; says: string }
  /** Nothing to boot: what it shows before it gives up. */
  | { kind: "refusal"; says: string }
  | { kind: "nothing" };

export const isScript = (text: string) => /^#!(ipxe|gpxe)\s/.test(text);

/** Reads the commands that matter, in order; `variables` are what only the machine knows. Text of the network. */
export function readScript(text: string, variables: Readonly<Record<string, string>>): ScriptEnd {
  let says = "";
  let kernel: { url: string; args: string } | undefined;
  const initrds: string[] = [];
  for (const raw of text.split("\n").slice(0, 500)) {
    const [command = "", ...words] = expand(raw.trim(), variables)
      .replace(/\s*(\|\||&&).*$/, "")
      .split(/\s+/);
    const operands = operandsOf(words);
    const [first] = operands;
    switch (command) {
      case "echo":
        if (words.length > 0) says = words.join(" ").slice(0, 300);
        break;
      case "chain":
      case "imgexec":
        if (first !== undefined && kernel === undefined) return { kind: "chain", url: first };
        break;
      case "kernel":
      case "imgfetch":
        if (first !== undefined) kernel ??= { url: first, args: operands.slice(1).join(" ") };
        break;
      case "initrd":
        if (first !== undefined && kernel !== undefined) initrds.push(first);
        break;
      case "boot":
        if (first !== undefined) return { kind: "chain", url: first };
        if (kernel) return { kind: "boot", kernel: kernel.url, initrds, args: kernel.args };
        break;
      case "menu":
      case "sanboot":
      case "exit":
        if (kernel === undefined) return { kind: "local", says: command === "menu" ? words.join(" ") : says };
        break;
      case "prompt":
        if (kernel === undefined) return { kind: "refusal", says };
        break;
    }
  }
  if (kernel) return { kind: "boot", kernel: kernel.url, initrds, args: kernel.args };
  return { kind: "nothing" };
}

/** Options take a value after a blank only where iPXE's do. */
function operandsOf(words: readonly string[]): string[] {
  const operands: string[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? "";
    if (operands.length > 0 || !word.startsWith("-")) operands.push(word);
    else if (/^(--name|-n|--timeout|-t)$/.test(word)) at++;
  }
  return operands;
}

/** `${netX/mac}`, `${net0/mac:hexhyp}`, `${serial:uristring}`: without a value it is empty, as in iPXE. */
function expand(line: string, variables: Readonly<Record<string, string>>): string {
  return line.replace(/\$\{([\w/.-]+)(?::(\w+))?\}/g, (_, name: string, format?: string) => {
    const value = variables[name] ?? "";
    if (format === "hexhyp") return value.replaceAll(":", "-");
    return format === "hexraw" ? value.replaceAll(":", "") : value;
  });
}

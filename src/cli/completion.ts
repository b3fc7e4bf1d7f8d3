import { AppError } from "../platform/errors.ts";
import { type Command, defineCommand, type Node } from "./define.ts";
import { print } from "./output.ts";

/** What may follow each command path: `"provision install"` → its subcommands and flags. */
export type Words = Map<string, string[]>;

/** Walks the whole tree, loading every command. */
export async function collectWords(
  node: Node,
  path: readonly string[] = [],
  words: Words = new Map(),
): Promise<Words> {
  if (node.kind === "command") {
    const flags = Object.entries(node.args)
      .filter(([, definition]) => definition.type !== "positional")
      .map(([name]) => `--${name}`);
    words.set(path.join(" "), [...flags, "--help"]);
    return words;
  }
  words.set(path.join(" "), Object.keys(node.commands));
  for (const [word, { load }] of Object.entries(node.commands))
    await collectWords(await load(), [...path, word], words);
  return words;
}

export const renderers: Record<"bash" | "zsh" | "fish", (words: Words) => string> = {
  bash: (words) => `# bash completion for labctl
_labctl() {
  local path="" word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) ;; *) path="\${path:+$path }$word" ;; esac
  done
  local words=""
  while :; do
    case "$path" in
${cases(words, (path, list) => `      "${path}") words="${list}"; break ;;`)}
    esac
    [ -n "$path" ] || break
    case "$path" in *" "*) path="\${path% *}" ;; *) path="" ;; esac
  done
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}")
}
complete -o default -F _labctl labctl
`,
  zsh: (words) => `#compdef labctl
_labctl() {
  local name="" word
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$word" in -*) ;; *) name="\${name:+$name }$word" ;; esac
  done
  local -a list
  while true; do
    case "$name" in
${cases(words, (path, list) => `      "${path}") list=(${list}); break ;;`)}
    esac
    [[ -n "$name" ]] || break
    case "$name" in *" "*) name="\${name% *}" ;; *) name="" ;; esac
  done
  compadd -a list
}
if [ "$funcstack[1]" = "_labctl" ]; then _labctl "$@"; else compdef _labctl labctl; fi
`,
  fish: (words) => `# fish completion for labctl
complete -c labctl -f
${[...words]
  .map(([path, list]) => {
    const before = path === "" ? "labctl" : `labctl ${path}`;
    return `complete -c labctl -n 'string match -qr "^${before}( -\\\\S+)* *\\\\S*\\$" -- (commandline -cp)' -a '${list.join(" ")}'`;
  })
  .join("\n")}
`,
};

function cases(words: Words, line: (path: string, list: string) => string): string {
  return [...words].map(([path, list]) => line(path, list.join(" "))).join("\n");
}

const shells = ["bash", "zsh", "fish"] as const;

/** `labctl completion SHELL`, for the tree below `root`. */
export function createCompletion(root: Node): Command {
  return defineCommand({
    summary: "the completion script of a shell",
    example: "labctl completion bash > /etc/bash_completion.d/labctl",
    args: { shell: { type: "positional", required: true, description: shells.join(", ") } },
    run: async ({ shell }) => {
      const known = shells.find((name) => name === shell);
      if (known === undefined) {
        throw new AppError("usage", `there is no completion for '${shell}'`, {
          hint: `choose from ${shells.join(", ")}`,
        });
      }
      print(renderers[known](await collectWords(root)).trimEnd());
    },
  });
}

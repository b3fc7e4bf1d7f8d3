import { AppError } from "../platform/errors.ts";

/** Characters of a message on a machine's screen; more says nothing more. */
const maxText = 160;

/**
 * Words for a machine's screen: printable ASCII in one line, whatever came in. Nothing in it means anything to
 * iPXE, which knows no quotes: neither `${` nor the words `||` and `&&` nor a `\` at the end of the line.
 */
export function plainText(text: string): string {
  const flat = text
    .replace(/[^\x20-\x7e]+/g, " ")
    .replaceAll("\\", "/")
    .replaceAll("${", "$(")
    .replace(/\|{2,}/g, "|")
    .replace(/&{2,}/g, "&")
    .trim();
  return flat.length > maxText ? `${flat.slice(0, maxText - 3)}...` : flat;
}

/** A path below our base URL as both loaders take it. @throws `invalid` for any other. */
export function urlPath(path: string): string {
  if (/^(\/[\w.~%+=@:,-]+)+$/.test(path) && !path.split("/").includes("..")) return path;
  throw new AppError("invalid", `'${plainText(path)}' is not a path a boot loader can fetch`);
}

/**
 * A kernel argument that both loaders pass on as it is: printable, without `$`, `\` or `'`; spaces only
 * single and between double quotes, as the kernel has it (`dyndbg="file x.c +p"`).
 * @throws `invalid` for any other, so that it is noticed, not cut in two.
 */
export function kernelArgument(argument: string): string {
  const pieces = argument.split('"');
  const spaces = pieces.every((piece, index) => index % 2 === 1 || !piece.includes(" "));
  const words = argument.split(" ");
  if (
    pieces.length % 2 === 1 &&
    spaces &&
    words.every((word) => /^[\x21-\x7e]+$/.test(word) && !/[$\\']/.test(word) && !/^(\|\||&&)$/.test(word))
  ) {
    return argument;
  }
  throw new AppError(
    "invalid",
    `the kernel argument '${plainText(argument)}' cannot be given to a boot loader`,
    {
      hint: "use printable characters without $, \\ and '; put spaces between double quotes",
    },
  );
}

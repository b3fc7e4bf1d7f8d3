import { AppError } from "../platform/errors.ts";

export const tokenFileFlag = {
  "token-file": {
    type: "string",
    description: "a file that holds it, so that it shows in no process list",
    valueHint: "FILE",
  },
} as const;

/** The token itself, or the one in the file. @throws `usage`, with `hint`, where neither was given. */
export async function readToken(
  given: { token?: string | undefined; "token-file"?: string | undefined },
  hint: string,
): Promise<string> {
  const file = given["token-file"];
  try {
    const token = given.token ?? (file && (await Bun.file(file).text()));
    if (token) return token;
  } catch (cause) {
    throw new AppError("usage", `${file} cannot be read`, {
      hint: "it holds the token and nothing else",
      cause,
    });
  }
  throw new AppError("usage", "--token or --token-file is missing", { hint });
}

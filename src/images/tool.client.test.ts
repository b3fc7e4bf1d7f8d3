import { expect, test } from "bun:test";
import { toAppError } from "../platform/errors.ts";
import { requirePrograms } from "./tool.client.ts";

test("programs that are missing are named together, with the packages that bring them", () => {
  requirePrograms([["sh", "dash"]]);
  try {
    requirePrograms([
      ["sh", "dash"],
      ["no-such-program", "one-package"],
      ["nor-this-one", "one-package"],
    ]);
    throw new Error("nothing was missed");
  } catch (thrown) {
    expect(toAppError(thrown)).toMatchObject({
      code: "missing",
      message: "this host lacks no-such-program, nor-this-one",
      hint: "apt-get install one-package",
    });
  }
});

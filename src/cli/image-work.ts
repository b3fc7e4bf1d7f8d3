import { open } from "node:fs/promises";
import type { z } from "zod";
import {
  type addRequestSchema,
  type Image,
  type Progress,
  progressSchema,
  uploadPieceBytes,
  uploadSchema,
} from "../images/model.ts";
import { AppError, type ErrorCode, errorCodes } from "../platform/errors.ts";
import { at, type Client, openEnded, read } from "./client.ts";
import { note } from "./output.ts";

/** Shows how long work comes along; answers with the image it ended in. */
export async function follow(
  work: Promise<{ body: ReadableStream<Uint8Array<ArrayBuffer>> | null }>,
): Promise<Image> {
  const response = await work;
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of response.body ?? []) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const image = show(progressSchema.parse(JSON.parse(line)));
      if (image !== undefined) return image;
    }
  }
  throw new AppError("unavailable", "the appliance went away before the work was done", {
    hint: "labctl image list shows whether it is there; start it again if not",
  });
}

function show(line: Progress): Image | undefined {
  if (line.kind === "done") return line.image;
  if (line.kind === "failed") {
    throw new AppError(isErrorCode(line.code) ? line.code : "internal", line.message, {
      ...(line.hint !== undefined && { hint: line.hint }),
    });
  }
  const share = line.total === undefined ? "" : ` of ${megabytes(line.total)}`;
  note(`${line.what}: ${megabytes(line.done)}${share}`);
  return undefined;
}

const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(errorCodes, code);
export const megabytes = (bytes: number) => `${Math.ceil(bytes / 1e6)} MB`;

export interface AddedFile extends Omit<z.input<typeof addRequestSchema>, "upload"> {
  name: string;
  file: string;
}

/** Hands a file of this user's to the appliance, piece by piece, and has it made an image. */
export async function addImage(client: Client, { name, file, ...wanted }: AddedFile): Promise<Image> {
  const source = await open(file, "r").catch((cause: unknown) => {
    throw new AppError("not-found", `${file} cannot be read`, { cause });
  });
  try {
    const { size: total } = await source.stat();
    const { upload } = await read(client.v1.images.uploads.$post(), uploadSchema);
    const buffer = Buffer.allocUnsafe(uploadPieceBytes);
    let told = 0;
    for (let offset = 0; ; ) {
      const { bytesRead } = await source.read(buffer, 0, buffer.length, offset);
      if (bytesRead === 0) break;
      const piece = client.v1.images.uploads[":upload"].$post(
        { ...at({ upload }), query: { offset } },
        { init: { body: buffer.subarray(0, bytesRead) } },
      );
      offset = (await read(piece, uploadSchema)).size;
      if (offset - told >= total / 10) {
        told = offset;
        note(`handing over: ${megabytes(offset)} of ${megabytes(total)}`);
      }
    }
    const json = { ...wanted, upload };
    return await follow(client.v1.images[":name"].$put({ ...at({ name }), json }, openEnded()));
  } finally {
    await source.close();
  }
}

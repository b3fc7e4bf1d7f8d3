import { z } from "zod";
import { ramArchitectures } from "./ram-contents.ts";

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** `manifest.json` beside a RAM environment: what it is made of, and what its files must be. */
export const ramManifestSchema = z.object({
  version: z.literal(1),
  architecture: z.enum(ramArchitectures),
  /** As `uname -r` says it. */
  kernel: z.string(),
  files: z.object({
    vmlinuz: z.object({ bytes: z.int(), sha256 }),
    "initrd.img": z.object({ bytes: z.int(), sha256 }),
  }),
  packages: z.array(z.object({ name: z.string(), version: z.string(), sha256 })),
});

export type RamManifest = z.infer<typeof ramManifestSchema>;

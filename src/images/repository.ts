import { and, asc, eq } from "drizzle-orm";
import type { Queries, Store } from "../store/database.ts";
import { images } from "../store/schema/images.ts";
import { type Image, imageFilesSchema } from "./model.ts";

export interface ImageRepository {
  list(): Image[];
  /** `tell` writes of it in the same transaction. */
  save(image: Image, tell: (tx: Queries) => Promise<void>): Promise<void>;
  remove(kind: Image["kind"], name: string, tell: (tx: Queries) => Promise<void>): Promise<void>;
}

export function createImageRepository(store: Store): ImageRepository {
  return {
    list: () =>
      store.read.select().from(images).orderBy(asc(images.kind), asc(images.name)).all().map(toImage),
    async save(image, tell) {
      const row = {
        ...image,
        rawSize: image.rawSize ?? null,
        compression: image.compression ?? null,
        files: JSON.stringify(image.files),
      };
      await store.transaction(async (tx) => {
        tx.insert(images)
          .values(row)
          .onConflictDoUpdate({ target: [images.kind, images.name], set: row })
          .run();
        await tell(tx);
      });
    },
    remove: (kind, name, tell) =>
      store.transaction(async (tx) => {
        tx.delete(images)
          .where(and(eq(images.kind, kind), eq(images.name, name)))
          .run();
        await tell(tx);
      }),
  };
}

function toImage(row: typeof images.$inferSelect): Image {
  const { rawSize, compression, files, ...rest } = row;
  return {
    ...rest,
    files: imageFilesSchema.parse(JSON.parse(files)),
    ...(rawSize !== null && { rawSize }),
    ...(compression !== null && { compression }),
  };
}

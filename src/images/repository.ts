import { and, asc, eq } from "drizzle-orm";
import type { Store } from "../store/database.ts";
import { images } from "../store/schema/images.ts";
import { type Image, imageFilesSchema } from "./model.ts";

export interface ImageRepository {
  list(): Image[];
  save(image: Image): Promise<void>;
  /** Whether it was there. */
  remove(kind: Image["kind"], name: string): Promise<boolean>;
}

export function createImageRepository(store: Store): ImageRepository {
  return {
    list: () =>
      store.read.select().from(images).orderBy(asc(images.kind), asc(images.name)).all().map(toImage),
    async save(image) {
      const row = {
        ...image,
        rawSize: image.rawSize ?? null,
        compression: image.compression ?? null,
        files: JSON.stringify(image.files),
      };
      await store.transaction((tx) =>
        tx
          .insert(images)
          .values(row)
          .onConflictDoUpdate({ target: [images.kind, images.name], set: row })
          .run(),
      );
    },
    remove: (kind, name) =>
      store.transaction(
        (tx) =>
          tx
            .delete(images)
            .where(and(eq(images.kind, kind), eq(images.name, name)))
            .returning({ name: images.name })
            .all().length > 0,
      ),
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

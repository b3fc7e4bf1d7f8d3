import type { Image } from "../images/model.ts";
import { megabytes } from "./image-work.ts";
import type { Column } from "./output.ts";

export const imageColumns: Column<Image>[] = [
  { title: "NAME", value: ({ kind, name }) => (kind === "disk" ? `image:${name}` : name) },
  { title: "KIND", value: ({ kind }) => kind },
  { title: "SIZE", value: ({ size }) => megabytes(size) },
  { title: "UNPACKED", value: ({ rawSize }) => (rawSize === undefined ? undefined : megabytes(rawSize)) },
  { title: "ADDED", value: ({ addedAt }) => new Date(addedAt).toISOString().slice(0, 16).replace("T", " ") },
  { title: "SHA256", value: ({ sha256 }) => sha256.slice(0, 12) },
  { title: "FROM", value: ({ source }) => source },
];

import { basename } from "node:path";
import { type Image, imageListSchema } from "../images/model.ts";
import { defineCommand, defineGroup, outputFlag } from "./define.ts";
import { addImage, follow, megabytes } from "./image-work.ts";
import { type Column, note, printRecord, printRecords } from "./output.ts";
import { connect, outputFormat } from "./settings.ts";

const columns: Column<Image>[] = [
  { title: "NAME", value: ({ kind, name }) => (kind === "disk" ? `image:${name}` : name) },
  { title: "KIND", value: ({ kind }) => kind },
  { title: "SIZE", value: ({ size }) => megabytes(size) },
  { title: "UNPACKED", value: ({ rawSize }) => (rawSize === undefined ? undefined : megabytes(rawSize)) },
  { title: "ADDED", value: ({ addedAt }) => new Date(addedAt).toISOString().slice(0, 16).replace("T", " ") },
  { title: "SHA256", value: ({ sha256 }) => sha256.slice(0, 12) },
  { title: "FROM", value: ({ source }) => source },
];

const named = { name: { type: "positional", description: "the image's name", required: true } } as const;

const list = defineCommand({
  summary: "disk images and installers there are",
  example: "labctl image list -o json",
  args: { ...outputFlag },
  async run({ output }) {
    const { images } = await connect().get("/api/v1/images", imageListSchema);
    printRecords(images, columns, outputFormat(output));
  },
});

const pull = defineCommand({
  summary: "fetch a distribution's network installer",
  example: "labctl image pull debian-12",
  args: {
    os: { type: "positional", description: "debian-12, fedora-42, rocky-9, …", required: true },
    ...outputFlag,
  },
  async run({ os, output }) {
    printRecord(await follow(connect(), "/api/v1/images/pull", { os }), columns, outputFormat(output));
  },
});

const add = defineCommand({
  summary: "add a disk image: raw, qcow2, or raw in zstd",
  example: "labctl image add web ./web.qcow2",
  args: {
    ...named,
    file: { type: "positional", description: "the image's file", required: true },
    sha256: { type: "string", description: "refuse the file unless this is its SHA-256" },
    replace: { type: "boolean", description: "put it in the place of an image of that name" },
    ...outputFlag,
  },
  async run({ name, file, sha256, replace, output }) {
    printRecord(
      await addImage(connect(), { name, file, source: basename(file), sha256, replace: replace === true }),
      columns,
      outputFormat(output),
    );
  },
});

const verify = defineCommand({
  summary: "read an image and prove its checksum",
  example: "labctl image verify debian-12",
  args: { ...named, ...outputFlag },
  async run({ name, output }) {
    printRecord(
      await follow(connect(), `/api/v1/images/${encodeURIComponent(name)}/verify`, {}),
      columns,
      outputFormat(output),
    );
  },
});

const remove = defineCommand({
  summary: "remove an image and its files",
  example: "labctl image remove web",
  args: named,
  async run({ name }) {
    await connect().delete(`/api/v1/images/${encodeURIComponent(name)}`);
    note(`removed ${name}`);
  },
});

const build = defineCommand({
  summary: "make a bootable disk image from Debian's packages, and add it",
  example: "labctl image build debian-12",
  args: {
    os: { type: "positional", description: "debian-12 or debian-13", required: true },
    name: { type: "string", description: "the image's name; by default that of the system" },
    mirror: { type: "string", description: "where packages come from; by default as this host's apt" },
    include: { type: "string", description: "more packages, joined by commas" },
    to: { type: "string", description: "write the image to this file and add it to no catalogue" },
    replace: { type: "boolean", description: "put it in the place of an image of that name" },
    ...outputFlag,
  },
  async run({ os, name, mirror, include, to, replace, output }) {
    const { buildImage } = await import("../images/image-build.client.ts");
    const built = await buildImage({ os, mirror, include: include?.split(",") ?? [], to }, note);
    try {
      if (to !== undefined) {
        note(`wrote ${to}, ${megabytes(built.size)}, sha256 ${built.sha256}`);
        return;
      }
      const wanted = {
        name: name ?? os,
        file: built.path,
        source: "built",
        sha256: built.sha256,
        replace: replace === true,
      };
      printRecord(await addImage(connect(), wanted), columns, outputFormat(output));
    } finally {
      await built.discard();
    }
  },
});

export const image = defineGroup({
  summary: "disk images and installers",
  example: "labctl image pull debian-12",
  commands: {
    list: { summary: list.summary, load: async () => list },
    pull: { summary: pull.summary, load: async () => pull },
    add: { summary: add.summary, load: async () => add },
    verify: { summary: verify.summary, load: async () => verify },
    remove: { summary: remove.summary, load: async () => remove },
    build: { summary: build.summary, load: async () => build },
    "boot-iso": {
      summary: "write a small ISO for machines that cannot boot from the network",
      load: async () => (await import("./image-boot-iso.ts")).bootIso,
    },
  },
});

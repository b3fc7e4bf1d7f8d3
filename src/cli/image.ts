import { basename } from "node:path";
import { imageListSchema } from "../images/model.ts";
import { at, openEnded, readList } from "./client.ts";
import { defineGroup, outputFlag } from "./define.ts";
import { imageColumns } from "./image-columns.ts";
import { addImage, follow } from "./image-work.ts";
import { note, printRecord, printRecords } from "./output.ts";
import { defineRemoteCommand } from "./remote.ts";
import { outputFormat } from "./settings.ts";

const named = { name: { type: "positional", description: "the image's name", required: true } } as const;

const list = defineRemoteCommand({
  summary: "disk images and installers there are",
  example: "labctl image list -o json",
  args: { ...outputFlag },
  async run({ output }, { client }) {
    const images = await readList((page) => client.v1.images.$get(page), imageListSchema);
    printRecords(images, imageColumns, outputFormat(output));
  },
});

const pull = defineRemoteCommand({
  summary: "fetch a distribution's network installer",
  example: "labctl image pull debian-12",
  args: {
    os: { type: "positional", description: "debian-12, fedora-42, rocky-9, …", required: true },
    unsigned: {
      type: "boolean",
      description:
        "go on where Debian's signature cannot be proven; the mirror and the way to it are trusted",
    },
    ...outputFlag,
  },
  async run({ os, unsigned, output }, { client }) {
    const json = { os, unsigned: unsigned === true };
    printRecord(
      await follow(client.v1.images.pull.$post({ json }, openEnded())),
      imageColumns,
      outputFormat(output),
    );
  },
});

const add = defineRemoteCommand({
  summary: "add a disk image: raw, qcow2, or raw in zstd",
  example: "labctl image add web ./web.qcow2",
  args: {
    ...named,
    file: { type: "positional", description: "the image's file", required: true },
    sha256: { type: "string", description: "refuse the file unless this is its SHA-256" },
    replace: { type: "boolean", description: "put it in the place of an image of that name" },
    ...outputFlag,
  },
  async run({ name, file, sha256, replace, output }, { client }) {
    printRecord(
      await addImage(client, { name, file, source: basename(file), sha256, replace: replace === true }),
      imageColumns,
      outputFormat(output),
    );
  },
});

const verify = defineRemoteCommand({
  summary: "read an image and prove its checksum",
  example: "labctl image verify debian-12",
  args: { ...named, ...outputFlag },
  async run({ name, output }, { client }) {
    printRecord(
      await follow(client.v1.images[":name"].verify.$post(at({ name }), openEnded())),
      imageColumns,
      outputFormat(output),
    );
  },
});

const remove = defineRemoteCommand({
  summary: "remove an image and its files",
  example: "labctl image remove web",
  args: named,
  async run({ name }, { client }) {
    await client.v1.images[":name"].$delete(at({ name }));
    note(`removed ${name}`);
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
    build: {
      summary: "make a disk image, or the RAM environment, from Debian's packages",
      load: async () => (await import("./image-build.ts")).build,
    },
    "boot-iso": {
      summary: "write a small ISO for machines that cannot boot from the network",
      load: async () => (await import("./image-boot-iso.ts")).bootIso,
    },
  },
});

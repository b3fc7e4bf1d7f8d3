/** What the builder needs to know of a program, a shared library or a kernel module. */
export interface ElfFacts {
  /** DT_NEEDED: sonames of the libraries it is linked to. */
  needed: string[];
  /** PT_INTERP: the loader, as an absolute path. */
  interpreter?: string;
  /** `.modinfo` of a kernel module: `depends`, `softdep`, `firmware`, `alias`, … with every value given. */
  moduleInfo: Map<string, string[]>;
}

const segmentInterpreter = 3;
const sectionDynamic = 6;
const tagNeeded = 1n;

/** Reads a 64-bit little-endian ELF file (System V ABI, ELF-64 object file format); `undefined` for anything else. */
export function decodeElf(bytes: Uint8Array): ElfFacts | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 64 || view.getUint32(0) !== 0x7f454c46 || bytes[4] !== 2 || bytes[5] !== 1)
    return undefined;
  const sections = readSections(view);
  const facts: ElfFacts = { needed: [], moduleInfo: new Map() };

  const interpreter = readInterpreter(bytes, view);
  if (interpreter !== undefined) facts.interpreter = interpreter;

  const names = sections[view.getUint16(62, true)];
  for (const section of sections) {
    if (section.type === sectionDynamic) {
      const strings = sections[section.link];
      for (let at = section.offset; strings && at + 16 <= section.offset + section.size; at += 16) {
        if (view.getBigInt64(at, true) !== tagNeeded) continue;
        facts.needed.push(readString(bytes, strings.offset + Number(view.getBigUint64(at + 8, true))));
      }
    }
    if (names && readString(bytes, names.offset + section.name) === ".modinfo") {
      readModuleInfo(bytes.subarray(section.offset, section.offset + section.size), facts.moduleInfo);
    }
  }
  return facts;
}

interface Section {
  name: number;
  type: number;
  offset: number;
  size: number;
  link: number;
}

function readSections(view: DataView): Section[] {
  const start = Number(view.getBigUint64(40, true));
  const entryLength = view.getUint16(58, true);
  const sections: Section[] = [];
  for (let index = 0; index < view.getUint16(60, true); index++) {
    const at = start + index * entryLength;
    if (at + 64 > view.byteLength) break;
    const offset = Number(view.getBigUint64(at + 24, true));
    const size = Number(view.getBigUint64(at + 32, true));
    sections.push({
      name: view.getUint32(at, true),
      type: view.getUint32(at + 4, true),
      offset,
      // .bss and its kin hold no bytes in the file, whatever their size says
      size: Math.max(0, Math.min(size, view.byteLength - offset)),
      link: view.getUint32(at + 40, true),
    });
  }
  return sections;
}

function readInterpreter(bytes: Uint8Array, view: DataView): string | undefined {
  const start = Number(view.getBigUint64(32, true));
  const entryLength = view.getUint16(54, true);
  for (let index = 0; index < view.getUint16(56, true); index++) {
    const at = start + index * entryLength;
    if (at + 56 > view.byteLength) return undefined;
    if (view.getUint32(at, true) === segmentInterpreter) {
      return readString(bytes, Number(view.getBigUint64(at + 8, true)));
    }
  }
  return undefined;
}

function readModuleInfo(section: Uint8Array, into: Map<string, string[]>): void {
  for (const line of new TextDecoder().decode(section).split("\0")) {
    const cut = line.indexOf("=");
    if (cut <= 0) continue;
    const key = line.slice(0, cut);
    const values = into.get(key);
    if (values) values.push(line.slice(cut + 1));
    else into.set(key, [line.slice(cut + 1)]);
  }
}

function readString(bytes: Uint8Array, at: number): string {
  const end = bytes.indexOf(0, at);
  return new TextDecoder().decode(bytes.subarray(at, end < 0 ? at : end));
}

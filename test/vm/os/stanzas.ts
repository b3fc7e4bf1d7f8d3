/** Paragraphs of Debian's control files (deb822(5)), as lists of packages have them. */
export interface Stanza {
  readonly fields: readonly (readonly [name: string, value: string])[];
  field(name: string): string | undefined;
  with(changed: Record<string, string>): Stanza;
}

/** By the name of the package. */
export type Stanzas = Map<string, Stanza>;

export function parseStanzas(text: string): Stanzas {
  const found: Stanzas = new Map();
  for (const paragraph of text.split(/\n{2,}/)) {
    const stanza = createStanza(
      [...paragraph.matchAll(/^([A-Za-z0-9-]+): *(.*(?:\n[ \t].*)*)/gm)].map(([, name = "", value = ""]) => [
        name,
        value,
      ]),
    );
    const name = stanza.field("Package");
    if (name !== undefined) found.set(name, stanza);
  }
  return found;
}

export const renderStanza = (fields: Stanza["fields"]): string =>
  fields.map(([name, value]) => `${name}: ${value}\n`).join("");

function createStanza(fields: Stanza["fields"]): Stanza {
  return {
    fields,
    field: (wanted) => fields.find(([name]) => name === wanted)?.[1],
    with: (changed) =>
      createStanza([
        ...fields.filter(([name]) => changed[name] === undefined && name !== "MD5sum"),
        ...Object.entries(changed),
      ]),
  };
}

const words = (value: string | undefined) =>
  (value ?? "")
    .split(",")
    .map((word) => word.trim())
    .filter((word) => word !== "");
const nameOf = (word: string) => word.replace(/[ (:].*$/, "");

/**
 * What the installer (anna) fetches: all of standard priority and more for its kernel, `asked`, and what these
 * depend on, without what is `present`.
 */
export function closeComponents(
  all: Stanzas,
  present: Stanzas,
  kernel: string,
  asked: readonly string[],
): string[] {
  const fits = (stanza: Stanza) => [undefined, kernel].includes(stanza.field("Kernel-Version"));
  const providers = new Map<string, string[]>();
  for (const [name, stanza] of all) {
    if (!fits(stanza)) continue;
    for (const word of words(stanza.field("Provides"))) {
      providers.set(nameOf(word), [...(providers.get(nameOf(word)) ?? []), name]);
    }
  }
  const there = new Set(
    [...present].flatMap(([name, stanza]) => [name, ...words(stanza.field("Provides")).map(nameOf)]),
  );
  const chosen = new Set<string>();
  const visit = (name: string) => {
    if (there.has(name) || chosen.has(name)) return;
    const stanza = all.get(name);
    if (stanza === undefined) {
      const [first, ...others] = providers.get(name) ?? [];
      if (first !== undefined && !others.some((other) => chosen.has(other))) visit(first);
      return;
    }
    chosen.add(name);
    for (const word of words(stanza.field("Depends"))) {
      const alternatives = word.split("|").map((each) => nameOf(each.trim()));
      if (!alternatives.some((each) => there.has(each) || chosen.has(each))) visit(alternatives[0] ?? "");
    }
  };
  for (const [name, stanza] of all) {
    if (fits(stanza) && ["required", "important", "standard"].includes(stanza.field("Priority") ?? ""))
      visit(name);
  }
  for (const name of asked) visit(name);
  return [...chosen].sort();
}

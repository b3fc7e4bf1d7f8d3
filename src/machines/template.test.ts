import { expect, test } from "bun:test";
import fc from "fast-check";
import { parseTemplates, renderTemplate, type TemplateRecord } from "./template.ts";

const render = (
  text: string,
  values: TemplateRecord = {},
  path = "x/y.sh",
  more: Record<string, string> = {},
) =>
  renderTemplate(
    parseTemplates((name) => ({ [path]: text, ...more })[name]),
    path,
    values,
  );

test("a value is one word to a shell, whatever it holds", () => {
  expect(render("a={{b}}\n", { b: 'it\'s $(x) `y` "z" \\' })).toBe("a='it'\\''s $(x) `y` \"z\" \\'\n");
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(..."abc '\"\\$`;&|<>(){}*?!#~=%\t-/äé") }), (value) => {
      if (value.includes("\t")) return;
      const said = Bun.spawnSync(["dash", "-c", render("printf %s {{v}}", { v: value })]).stdout.toString();
      expect(said).toBe(value);
    }),
    { numRuns: 100 },
  );
});

test("no value can begin a line of its own, in any kind of file", () => {
  for (const hostile of ["a\nb", "a\r", "a\u0000b", "\u001b[2J", "a\u2028b", "\u0085"]) {
    for (const path of ["x/y.sh", "x/y.ks", "x/y.preseed"]) {
      expect(() => render("{{v}}", { v: hostile }, path)).toThrow("characters that cannot stand there");
    }
  }
  expect(() => render("{{v|word}}", { v: "a b" })).toThrow("characters that cannot stand there");
  expect(() => render("{{v|word}}", { v: "" })).toThrow("characters that cannot stand there");
  // A backslash at the end would join the next line of a preseed file.
  expect(() => render("d-i a string {{v}}\n", { v: "x\\" }, "x/y.preseed")).toThrow("cannot stand there");
});

test("a missing variable is named with template and line", () => {
  expect(() => render("a\nb {{host.nam}}\n", { host: { name: "x" } })).toThrow(
    "template x/y.sh, line 2: the variable 'host.nam' is not known",
  );
  expect(() => render("{{a}}", { a: undefined })).toThrow("line 1: the variable 'a' is not set");
  expect(() => render("{{#if typo}}{{/if}}", {})).toThrow("'typo' is not known");
  expect(() => render("{{constructor}}", {})).toThrow("'constructor' is not known");
});

test("conditions and loops; a tag alone on its line takes the line with it", () => {
  const text =
    "{{#if a}}\nyes\n  {{#each list as one}}\n- {{one.n|word}}\n  {{/each}}\n{{else}}\nno\n{{/if}}\nend\n";
  expect(render(text, { a: true, list: [{ n: 1 }, { n: 2 }] })).toBe("yes\n- 1\n- 2\nend\n");
  expect(render(text, { a: "", list: [] })).toBe("no\nend\n");
  expect(render("{{#if !a}}none{{/if}} x", { a: [] })).toBe("none x");
  expect(render("a{{#if b}} b{{/if}}\nc", { b: true })).toBe("a b\nc");
});

test("an include renders with the same values, and never itself", () => {
  expect(render("{{> lib/a.sh}}\nend\n", { v: 1 }, "x/y.sh", { "lib/a.sh": "v={{v}}\n" })).toBe(
    "v='1'\nend\n",
  );
  expect(() => render("{{> lib/a.sh}}", {}, "x/y.sh", { "lib/a.sh": "{{> lib/a.sh}}" })).toThrow(
    "includes itself",
  );
  expect(() => render("{{> lib/b.sh}}")).toThrow("no template lib/b.sh");
  expect(() => render("{{> ../../etc/passwd}}")).toThrow("is not a template's path");
});

test("a tag that is not understood is refused where it stands", () => {
  for (const text of [
    "{{",
    "{{ }}",
    "{{a b}}",
    "{{#if}}",
    "{{#if a}}",
    "{{/if}}",
    "{{else}}",
    "{{a|raw}}",
    "{{#each a}}{{/each}}",
  ]) {
    expect(() => render(`\n${text}`, { a: "x" })).toThrow("template x/y.sh, line 2");
  }
});

test("a template is parsed once, and again when its text has changed", () => {
  let text = "one {{a}}\n";
  const templates = parseTemplates(() => text);
  expect(templates("x/y.sh")).toBe(templates("x/y.sh"));
  text = "two {{a}}\n";
  expect(renderTemplate(templates, "x/y.sh", { a: "b" })).toBe("two 'b'\n");
});

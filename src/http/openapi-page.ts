import { createHash } from "node:crypto";
import { html, raw } from "hono/html";
import type { ApiDocument, ApiOperation } from "./openapi.ts";

const style = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 0 auto; max-width: 60rem; padding: 1rem; }
code, pre { font: 0.9rem/1.4 ui-monospace, monospace; }
pre { overflow-x: auto; padding: 0.5rem; border: 1px solid #8886; border-radius: 4px; }
summary { cursor: pointer; padding: 0.3rem 0; }
.method { display: inline-block; min-width: 4rem; font-weight: bold; }
.needs { color: #777; }
table { border-collapse: collapse; } td, th { padding: 0.2rem 0.8rem 0.2rem 0; text-align: left; vertical-align: top; }
nav a { margin-right: 0.8rem; }
`;

/** Nothing is loaded, nothing runs: one file with one style. */
export const openApiPageHeaders = {
  "content-type": "text/html; charset=utf-8",
  "content-security-policy": `default-src 'none'; style-src 'sha256-${createHash("sha256").update(style).digest("base64")}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'`,
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
};

interface Route {
  method: string;
  path: string;
  operation: ApiOperation;
}

/** The description as a page for people: routes by noun, what each needs, takes and answers. */
export function renderOpenApiPage(document: ApiDocument): string {
  const nouns = new Map<string, Route[]>();
  for (const route of routesOf(document)) {
    const noun = route.operation.tags?.[0] ?? "api";
    nouns.set(noun, [...(nouns.get(noun) ?? []), route]);
  }
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>labctl API</title>
<style>${raw(style)}</style>
</head>
<body>
<h1>labctl API</h1>
<p>Machine-readable: <a href="/api/v1/openapi.json">openapi.json</a>. Errors are problem documents (RFC 9457).
Every route names the permission it needs; what may be called without one says what protects it instead.</p>
<nav aria-label="Nouns">${[...nouns.keys()].map((noun) => html`<a href="#${noun}">${noun}</a> `)}</nav>
${[...nouns].map(
  ([noun, routes]) =>
    html`<section id="${noun}"><h2>${noun}</h2>${routes.map((route) => renderRoute(route))}</section>`,
)}
</body>
</html>
`;
  return page.toString();
}

export const routesOf = (document: ApiDocument): Route[] =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  );

function renderRoute({ method, path, operation }: Route) {
  const { parameters, requestBody, responses } = operation;
  const needs = operation["x-permission"];
  return html`<details>
<summary><span class="method">${method}</span> <code>${path}</code> ${operation.summary ?? ""}
<span class="needs">${needs === "public" ? `anybody: ${operation["x-public-because"] ?? ""}` : needs}</span></summary>
${
  parameters.length === 0
    ? ""
    : html`<table><tr><th>parameter</th><th>in</th><th></th></tr>${parameters.map(
        (each) =>
          html`<tr><td><code>${each.name}</code></td><td>${each.in}</td><td>${String(each.description ?? schemaLine(each.schema))}</td></tr>`,
      )}</table>`
}
${requestBody ? html`<h4>Body</h4>${renderContent(requestBody.content)}` : ""}
<h4>Answers</h4>
<table>${Object.entries(responses).map(
    ([status, { description }]) =>
      html`<tr><td><code>${status}</code></td><td>${String(description ?? "")}</td></tr>`,
  )}</table>
${Object.entries(responses)
  .filter(([status]) => status.startsWith("2"))
  .map(([, { content }]) => (content ? renderContent(content) : ""))}
</details>
`;
}

const renderContent = (content: Record<string, { schema?: unknown }>) =>
  Object.entries(content).map(
    ([type, { schema }]) =>
      html`<p><code>${type}</code></p>${schema === undefined ? "" : html`<pre>${JSON.stringify(schema, null, 2)}</pre>`}`,
  );

const schemaLine = (schema: unknown) => (schema === undefined ? "" : JSON.stringify(schema));

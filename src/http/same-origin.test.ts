import { expect, test } from "bun:test";
import { isForeign } from "./same-origin.ts";

const post = { method: "POST", host: "labd:8443", site: undefined, origin: undefined, ambient: false };

test("a change asked for by another site's page is foreign, however the browser says so", () => {
  expect(isForeign({ ...post, site: "cross-site" })).toBe(true);
  expect(isForeign({ ...post, site: "same-site" })).toBe(true);
  expect(isForeign({ ...post, site: "none" })).toBe(true);
  expect(isForeign({ ...post, origin: "https://evil.example" })).toBe(true);
  expect(isForeign({ ...post, origin: "http://labd:8443" })).toBe(true);
  expect(isForeign({ ...post, origin: "null" })).toBe(true);
});

test("our own page's is not, nor is one of what is no browser; a cookie without an origin is", () => {
  expect(isForeign({ ...post, site: "same-origin", ambient: true })).toBe(false);
  expect(isForeign({ ...post, origin: "https://labd:8443", ambient: true })).toBe(false);
  expect(isForeign(post)).toBe(false);
  expect(isForeign({ ...post, ambient: true })).toBe(true);
});

test("reading is never foreign: it changes nothing, and no other site can see the answer", () => {
  expect(isForeign({ ...post, method: "GET", site: "cross-site", ambient: true })).toBe(false);
});

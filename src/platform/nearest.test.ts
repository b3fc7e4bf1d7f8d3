import { expect, test } from "bun:test";
import { nearest } from "./nearest.ts";

const commands = ["provision", "image", "config", "doctor", "version"];

test("a slip of the finger is recognised", () => {
  expect(nearest("provison", commands)).toBe("provision");
  expect(nearest("iamge", commands)).toBe("image");
  expect(nearest("Config", commands)).toBe("config");
});

test("an unlike word gets no suggestion", () => {
  expect(nearest("xyzzy", commands)).toBeUndefined();
  expect(nearest("q", [])).toBeUndefined();
  expect(nearest("health", ["auth"])).toBeUndefined();
});

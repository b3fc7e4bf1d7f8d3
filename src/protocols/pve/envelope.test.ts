import { expect, test } from "bun:test";
import { decodeAnswer } from "./envelope.ts";

test("the reason is the message's, or the status line's where there is no message", () => {
  const old = decodeAnswer({ status: 500, statusText: "VM is locked (backup)", body: '{"data":null}' });
  expect(old).toMatchObject({ kind: "refused", reason: "VM is locked (backup)" });
  const bare = decodeAnswer({ status: 401, statusText: "No ticket", body: "" });
  expect(bare).toMatchObject({ reason: "No ticket", fields: {} });
  const fields = decodeAnswer({
    status: 400,
    statusText: "x",
    body: '{"message":"y\\n","errors":{"a":"b\\n"},"data":null}',
  });
  expect(fields).toMatchObject({ reason: "y", fields: { a: "b" } });
  expect(decodeAnswer({ status: 200, statusText: "OK", body: "<html>" })).toEqual({
    kind: "foreign",
    status: 200,
  });
  expect(decodeAnswer({ status: 200, statusText: "OK", body: '{"ok":1}' })).toEqual({
    kind: "foreign",
    status: 200,
  });
});

import { expect, test } from "bun:test";
import { createManualClock } from "../src/platform/clock.ts";
import { createPatientClock } from "./patient-clock.ts";

test("a timer waits longer by what the process was held up meanwhile, and by nothing else", () => {
  const base = createManualClock();
  let heldUp = 0;
  const patient = createPatientClock({ ...base, monotonic: () => base.monotonic() + heldUp });
  const fired: string[] = [];
  patient.after(1000, () => fired.push("before"));
  base.advance(900);
  heldUp += 5000;
  base.advance(50);
  patient.after(1000, () => fired.push("since"));
  base.advance(1000);
  expect(fired).toEqual(["since"]);
  base.advance(5000);
  expect(fired).toEqual(["since", "before"]);
});

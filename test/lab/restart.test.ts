import { expect, test } from "bun:test";
import type { TextLog } from "./console.ts";
import { watchRestart } from "./machine.ts";

function watched(): { write(text: string): void; minutes(count: number): void; lost(): number } {
  let text = "";
  let lost = 0;
  const log: TextLog = {
    path: "",
    text: () => text,
    mark() {},
    waitFor: () => Promise.reject(new Error("not used")),
  };
  const look = watchRestart(log, () => lost++);
  return {
    write: (more) => {
      text += more;
    },
    minutes: (count) => {
      for (let nth = 0; nth < count * 12; nth++) look();
    },
    lost: () => lost,
  };
}

test("a machine that went down for a restart and says nothing more has its reset pressed, once per silence", () => {
  const machine = watched();
  machine.write("[   77.1] reboot: Restarting system\n[   77.4] reboot: machine restart\n");
  machine.minutes(1);
  expect(machine.lost()).toBe(0);
  machine.minutes(1);
  expect(machine.lost()).toBe(1);
  machine.write(">>Start PXE over IPv4.\n");
  machine.minutes(10);
  expect(machine.lost()).toBe(1);
});

test("a machine whose firmware speaks is left alone, however long it is silent afterwards", () => {
  const machine = watched();
  machine.write("[    3.1] reboot: machine restart\n");
  machine.minutes(1);
  machine.write("SeaBIOS (version 1.16.2)\n");
  machine.minutes(10);
  expect(machine.lost()).toBe(0);
});

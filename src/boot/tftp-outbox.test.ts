import { expect, test } from "bun:test";
import { createOutbox, type Outgoing, packetRun } from "./tftp-outbox.ts";

/** A kernel that takes `room` packets and remembers which. */
function kernel(initially: number) {
  let room = initially;
  const taken: number[] = [];
  const hand = ({ index, count }: Outgoing) => {
    const some = Math.min(count, room);
    for (let n = index; n < index + some; n++) taken.push(n);
    room -= some;
    return some;
  };
  const makeRoom = (more: number) => {
    room += more;
  };
  return { hand, taken, makeRoom };
}
const packets = (index: number, count: number): Outgoing => ({
  run: packetRun(new Uint8Array()),
  index,
  count,
});

test("what the kernel cannot take waits in order, and nothing overtakes it", () => {
  const { hand, taken, makeRoom } = kernel(2);
  const outbox = createOutbox(hand, 8);
  outbox.send(packets(0, 4));
  makeRoom(1);
  outbox.send(packets(4, 2));
  expect(taken).toEqual([0, 1]);
  expect(outbox.drain()).toBe(true);
  expect(taken).toEqual([0, 1, 2]);
  makeRoom(9);
  expect(outbox.drain()).toBe(true);
  expect(taken).toEqual([0, 1, 2, 3, 4, 5]);
});

test("a kernel that has room and takes nothing is told apart from one that took all there was", () => {
  const outbox = createOutbox(() => 0, 8);
  expect(outbox.drain()).toBe(true);
  outbox.send(packets(0, 1));
  expect(outbox.drain()).toBe(false);
  outbox.clear();
  expect(outbox.drain()).toBe(true);
});

test("only so many sends wait", () => {
  const { hand, taken, makeRoom } = kernel(0);
  const outbox = createOutbox(hand, 2);
  for (let n = 0; n < 5; n++) outbox.send(packets(n, 1));
  makeRoom(9);
  outbox.drain();
  expect(taken).toEqual([0, 1]);
});

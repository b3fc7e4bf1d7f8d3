import type { Libc } from "./libc.server.ts";
import { SOL_SOCKET } from "./socket.server.ts";

const SO_ATTACH_FILTER = 26;

/** One of a packet filter: code, jump if true, jump if false, operand. */
export type Instruction = readonly [number, number, number, number];

/** From now on the kernel drops what comes to `fd` and `instructions` return 0 for. @throws SystemCallError */
export function attachFilter(libc: Libc, fd: number, instructions: readonly Instruction[]): void {
  // struct sock_filter[]
  const program = new Uint8Array(instructions.length * 8);
  const view = new DataView(program.buffer);
  instructions.forEach(([code, ifTrue, ifFalse, operand], n) => {
    view.setUint16(n * 8, code, true);
    program[n * 8 + 2] = ifTrue;
    program[n * 8 + 3] = ifFalse;
    view.setUint32(n * 8 + 4, operand, true);
  });
  // struct sock_fprog: a count, and on 64-bit machines a pointer eight bytes in.
  const descriptor = new Uint8Array(16);
  const fields = new DataView(descriptor.buffer);
  fields.setUint16(0, instructions.length, true);
  fields.setBigUint64(8, BigInt(libc.addressOf(program)), true);
  libc.setOption(fd, SOL_SOCKET, SO_ATTACH_FILTER, descriptor);
}

import { dlopen, ptr } from "bun:ffi";

/** Tells systemd about this service (sd_notify(3)); does nothing where `NOTIFY_SOCKET` is not set. */
export function notifySystemd(state: string, socketPath: string | undefined): void {
  if (socketPath === undefined || socketPath === "") return;
  const libc = dlopen("libc.so.6", {
    socket: { args: ["i32", "i32", "i32"], returns: "i32" },
    sendto: { args: ["i32", "ptr", "usize", "i32", "ptr", "u32"], returns: "i64" },
    close: { args: ["i32"], returns: "i32" },
  });
  const fd = libc.symbols.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  // A leading @ names the abstract namespace, which the kernel marks by a zero byte.
  const name = Buffer.from(socketPath.replace(/^@/, "\0"));
  const address = Buffer.from(new ArrayBuffer(2 + name.length + (socketPath.startsWith("@") ? 0 : 1)));
  address.writeUInt16LE(AF_UNIX, 0);
  name.copy(address, 2);
  // Over buffers of their own: the bytes of a small array lie in the heap, and move.
  const text = Buffer.from(state);
  const message = Buffer.from(new ArrayBuffer(text.length));
  text.copy(message);
  libc.symbols.sendto(fd, ptr(message), message.length, MSG_NOSIGNAL, ptr(address), address.length);
  libc.symbols.close(fd);
  libc.close();
}

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_NOSIGNAL = 0x4000;

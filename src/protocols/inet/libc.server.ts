import { dlopen, ptr, read } from "bun:ffi";
import { AppError } from "../../platform/errors.ts";

/** `errno` values that mean something to us. */
const errors: Readonly<Record<number, string>> = {
  1: "EPERM",
  11: "EAGAIN",
  13: "EACCES",
  19: "ENODEV",
  98: "EADDRINUSE",
  99: "EADDRNOTAVAIL",
  100: "ENETDOWN",
  101: "ENETUNREACH",
  105: "ENOBUFS",
};

/** A call into the kernel that failed; `errno` by name where we know it. */
export class SystemCallError extends Error {
  readonly errno: string;
  constructor(call: string, errno: string) {
    super(`${call}: ${errno}`);
    this.errno = errno;
  }
}

/** The socket calls Bun has no API for: a device to bind to, and packets below UDP. */
export interface Libc {
  /** The number of an interface; 0 when there is none of that name. */
  interfaceIndex(name: string): number;
  /** @throws SystemCallError, as all below. */
  socket(family: number, type: number, protocol: number): number;
  setOption(fd: number, level: number, option: number, value: Uint8Array): void;
  bind(fd: number, address: Uint8Array): void;
  connect(fd: number, address: Uint8Array): void;
  sendTo(fd: number, bytes: Uint8Array, address: Uint8Array): void;
  /** The next packet into `into`: its length, or `undefined` when none waits. */
  receive(fd: number, into: Uint8Array): number | undefined;
  close(fd: number): void;
  /** The address of `bytes`, for structures that point at others; `bytes` has to stay referenced meanwhile. */
  addressOf(bytes: Uint8Array): number;
}

const dontWait = 0x40; // MSG_DONTWAIT

export function openLibc(): Libc {
  const { symbols } = dlopen("libc.so.6", {
    socket: { args: ["i32", "i32", "i32"], returns: "i32" },
    setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" },
    bind: { args: ["i32", "ptr", "u32"], returns: "i32" },
    connect: { args: ["i32", "ptr", "u32"], returns: "i32" },
    sendto: { args: ["i32", "ptr", "usize", "i32", "ptr", "u32"], returns: "i64" },
    recv: { args: ["i32", "ptr", "usize", "i32"], returns: "i64" },
    close: { args: ["i32"], returns: "i32" },
    if_nametoindex: { args: ["ptr"], returns: "u32" },
    __errno_location: { args: [], returns: "ptr" },
  });
  const errno = (): string => {
    const at = symbols.__errno_location();
    const code = at === null ? 0 : read.i32(at, 0);
    return errors[code] ?? `errno ${code}`;
  };
  const checked = (call: string, result: number | bigint): number => {
    if (Number(result) < 0) throw new SystemCallError(call, errno());
    return Number(result);
  };
  return {
    interfaceIndex: (name) => symbols.if_nametoindex(Buffer.from(`${name}\0`)),
    socket: (family, type, protocol) => checked("socket", symbols.socket(family, type, protocol)),
    setOption: (fd, level, option, value) =>
      void checked("setsockopt", symbols.setsockopt(fd, level, option, value, value.length)),
    bind: (fd, address) => void checked("bind", symbols.bind(fd, address, address.length)),
    connect: (fd, address) => void checked("connect", symbols.connect(fd, address, address.length)),
    sendTo: (fd, bytes, address) =>
      void checked("sendto", symbols.sendto(fd, bytes, bytes.length, dontWait, address, address.length)),
    receive(fd, into) {
      const length = Number(symbols.recv(fd, into, into.length, dontWait));
      if (length >= 0) return length;
      const why = errno();
      if (why === "EAGAIN") return undefined;
      throw new SystemCallError("recv", why);
    },
    close: (fd) => void symbols.close(fd),
    addressOf: (bytes) => ptr(bytes),
  };
}

/** A failure to open a socket, in words that say what to do. */
export function explainOpenFailure(error: unknown, what: string): unknown {
  if (!(error instanceof SystemCallError)) return error;
  if (error.errno === "EADDRINUSE") {
    return new AppError("unavailable", `${what} is taken by another program`, {
      hint: "find it with: ss -ulpn; stop it, or set dhcp: off (or proxy) for that interface",
      cause: error,
    });
  }
  if (error.errno === "EPERM" || error.errno === "EACCES") {
    return new AppError("missing", `no permission to open ${what}`, {
      hint: "run as root, or with CAP_NET_BIND_SERVICE and CAP_NET_RAW (the systemd unit grants both)",
      cause: error,
    });
  }
  return new AppError("unavailable", `cannot open ${what}: ${error.message}`, { cause: error });
}

/** Why a boot went no further. The closed list of what can be wrong between power-on and the kernel. */
export type StopReason =
  | "no-offer"
  | "no-address"
  | "no-boot-file"
  | "no-url"
  | "nak"
  | "no-ack"
  | "boot-server-silent"
  | "tftp-silent"
  | "tftp-refused"
  | "tftp-broken"
  | "http-unreachable"
  | "http-status"
  | "http-redirect"
  | "http-no-length"
  | "not-a-script"
  | "dispatch-refused"
  | "kernel-missing"
  | "no-way-there";

export interface Stop {
  reason: StopReason;
  /** What was seen, where. */
  detail: string;
  /** What to do. */
  next: string;
}

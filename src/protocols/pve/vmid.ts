import { AppError } from "../../platform/errors.ts";

declare const brand: unique symbol;
/** A guest's number, cluster-wide: 100 to 999999999 (PVE 7 took 1 and up; nobody should). */
export type Vmid = number & { readonly [brand]: "Vmid" };

export const vmidMin = 100;
export const vmidMax = 999_999_999;

export function isVmid(value: number): value is Vmid {
  return Number.isSafeInteger(value) && value >= vmidMin && value <= vmidMax;
}

export function parseVmid(value: string | number): Vmid {
  const number = typeof value === "number" ? value : /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN;
  if (isVmid(number)) return number;
  throw new AppError("invalid", `'${String(value).slice(0, 40)}' is not a vmid`, {
    hint: `write a number from ${vmidMin} to ${vmidMax}`,
  });
}

export type GuestKind = "qemu" | "lxc";

/** A guest and where it runs. `node` goes stale when the guest migrates: find it again by its vmid. */
export interface GuestRef {
  kind: GuestKind;
  node: string;
  vmid: Vmid;
}

import { AppError } from "../../platform/errors.ts";
import type { Fingerprint } from "./fingerprint.ts";

export const defaultPort = 8006;

/** One node's API: any of them answers for the whole cluster. */
export interface Endpoint {
  host: string;
  port: number;
  /** SHA-256 of the leaf certificate this node must show; without it the cluster's CA decides. */
  fingerprint: Fingerprint | undefined;
}

/** `pve1`, `pve1:8006`, `[2001:db8::1]:8006` or `https://pve1:8006/`. */
export function parseEndpoint(text: string, fingerprint?: Fingerprint): Endpoint {
  const trimmed = text
    .trim()
    .replace(/^https:\/\//i, "")
    .replace(/\/+$/, "");
  const found = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9._-]*))(?::(\d{1,5}))?$/.exec(trimmed);
  const port = Number(found?.[2] ?? defaultPort);
  const host = found?.[1];
  if (host === undefined || port < 1 || port > 65_535) {
    throw new AppError("invalid", `'${text.slice(0, 100)}' is not the address of a Proxmox node`, {
      hint: "write a host name or address, with a port where it is not 8006: pve1.lab or pve1.lab:8006",
    });
  }
  return { host: host.replace(/^\[|\]$/g, ""), port, fingerprint };
}

/** `host:port`, an IPv6 address in brackets; also the key under which a pin is kept. */
export function formatEndpoint({ host, port }: Pick<Endpoint, "host" | "port">): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

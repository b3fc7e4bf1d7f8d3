import { z } from "zod";
import type { BootOrder, BootOrders, BootRequest } from "../machines/service.ts";
import { toAppError } from "../platform/errors.ts";
import type { Logger } from "../platform/logger.ts";
import { type Mac, readMac } from "../platform/mac.ts";
import { plainText } from "./boot-text.ts";
import { renderConfig, renderGrubRefusal } from "./grub-config.ts";
import { renderRefusal, renderScript } from "./ipxe-script.ts";

/** Who asks, as the listener knows it. */
export interface Requester {
  clientIp: string;
  /** What the machine reaches us by: `http://10.0.0.1:8080`. */
  baseUrl: string;
}

/** A script was handed out. `order` is `refusal` where none could be decided. */
export interface ScriptServed {
  mac: Mac;
  clientIp: string;
  via: BootRequest["via"];
  order: BootOrder["kind"] | "refusal";
  /** Why a disk or menu, or what was wrong. */
  reason?: string;
  /** What the machine will fetch next, URL paths; empty where nothing. */
  files: string[];
}

/** Which script a machine that is booting gets. Whatever is wrong is said on its screen by a harmless one. */
export interface Dispatch {
  /** The iPXE script for `/dispatch?…`. @throws `unavailable` alone: then the machine asks again. */
  script(query: Readonly<Record<string, string>>, from: Requester): Promise<string>;
  /** The GRUB configuration for the MAC and CPU GRUB names. @throws `unavailable` alone. */
  config(mac: string, cpu: string, from: Requester): Promise<string>;
}

export interface DispatchDeps {
  orders: Pick<BootOrders, "orderFor">;
  observe(served: ScriptServed): void;
  log: Logger;
}

/** What firmware fills in where a vendor left the field empty says nothing; it is dropped, not refused. */
const uuid = z
  .string()
  .regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i)
  .optional()
  .catch(undefined);
const serial = z
  .string()
  .regex(/^[\x20-\x7e]{1,128}$/)
  .optional()
  .catch(undefined);
const querySchema = z.object({
  mac: z.string().max(20),
  uuid,
  serial,
  /** iPXE's `${platform}`. */
  platform: z.enum(["pcbios", "efi"]).default("pcbios"),
  /** iPXE's `${buildarch}`: of iPXE, not of the processor. */
  arch: z.enum(["i386", "x86_64", "arm64"]).default("x86_64"),
});

type Understood = { kind: "request"; request: BootRequest } | { kind: "refuse"; mac?: Mac; reason: string };

/** Reads the query of `/dispatch`; pure. */
export function readDispatchQuery(
  query: Readonly<Record<string, string>>,
  { clientIp, baseUrl }: Requester,
): Understood {
  const mac = readMac((query.mac ?? "").slice(0, 20));
  if (mac === undefined) {
    return { kind: "refuse", reason: "the request names no MAC address: /dispatch?mac=52:54:00:12:34:56" };
  }
  const read = querySchema.safeParse(query);
  if (!read.success) {
    const field = read.error.issues[0]?.path.join(".") ?? "";
    return { kind: "refuse", mac, reason: `there is nothing to boot for ${field}=${query[field] ?? ""}` };
  }
  const { platform, arch, uuid, serial } = read.data;
  if (platform === "efi" && arch === "i386") {
    return { kind: "refuse", mac, reason: "32-bit UEFI firmware cannot start a 64-bit kernel from iPXE" };
  }
  return {
    kind: "request",
    request: {
      mac,
      ...(uuid !== undefined && { uuid: uuid.toLowerCase() }),
      ...(serial !== undefined && { serial }),
      firmware: platform === "efi" ? "uefi" : "bios",
      // BIOS iPXE is always a 32-bit program, on 64-bit processors too.
      arch: arch === "arm64" ? "arm64" : "x86_64",
      via: "ipxe",
      clientIp,
      baseUrl,
    },
  };
}

export function createDispatch({ orders, observe, log }: DispatchDeps): Dispatch {
  /** Asks for the order and renders it; what goes wrong becomes a script that says so. */
  async function answer(
    request: BootRequest,
    render: (order: BootOrder) => string,
    refuse: (reason: string) => string,
  ): Promise<string> {
    const { mac, clientIp, via } = request;
    try {
      const order = await orders.orderFor(request);
      const script = render(order);
      log.debug("boot script served", { mac, via, order: order.kind });
      observe({ mac, clientIp, via, order: order.kind, ...whyOf(order), files: filesOf(order) });
      return script;
    } catch (thrown) {
      const error = toAppError(thrown);
      // The machine's own loop asks again, with its own limit.
      if (error.code === "unavailable" || error.code === "timeout") throw error;
      const reason =
        error.code === "internal" ? "the bastion failed to answer; its log says why" : error.message;
      log.error("no boot script for a machine", { mac, via, error: error.message });
      observe({ mac, clientIp, via, order: "refusal", reason, files: [] });
      return refuse(reason);
    }
  }

  return {
    async script(query, from) {
      const read = readDispatchQuery(query, from);
      if (read.kind === "request") {
        return answer(read.request, (order) => renderScript(order, read.request), renderRefusal);
      }
      log.warn("a boot request was refused", { client: from.clientIp, reason: plainText(read.reason) });
      if (read.mac !== undefined) {
        const { mac, reason } = read;
        observe({ mac, clientIp: from.clientIp, via: "ipxe", order: "refusal", reason, files: [] });
      }
      return renderRefusal(read.reason);
    },
    async config(spelled, cpu, { clientIp, baseUrl }) {
      const mac = readMac(spelled);
      if (mac === undefined || (cpu !== "x86_64" && cpu !== "arm64")) {
        return renderGrubRefusal(`there is nothing to boot for ${cpu} ${spelled}`);
      }
      const request: BootRequest = { mac, firmware: "uefi", arch: cpu, via: "grub", clientIp, baseUrl };
      const machine = { arch: request.arch, httpHost: baseUrl.replace(/^http:\/\//, "") };
      return answer(request, (order) => renderConfig(order, machine), renderGrubRefusal);
    },
  };
}

const whyOf = (order: BootOrder) =>
  order.kind === "local" || order.kind === "menu" ? { reason: order.reason } : {};

function filesOf(order: BootOrder): string[] {
  if (order.kind !== "discover" && order.kind !== "install") return [];
  return [order.boot.kernel, ...order.boot.initrds];
}

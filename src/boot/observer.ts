import type { MachineEvents } from "../machines/events.ts";
import type { BootOrders } from "../machines/service.ts";
import type { EventBus } from "../platform/events.ts";
import type { Mac } from "../platform/mac.ts";
import type { BootFact } from "./boot-fact.ts";
import type { DhcpEvent } from "./dhcp-events.ts";
import type { ScriptServed } from "./dispatch.ts";
import type { FileFetched } from "./lab-routes.ts";
import { createLatest } from "./latest.ts";
import { addressGiven, addressOf, cut, dhcpFact, type TftpObserved, tftpFact } from "./observed.ts";
import type { BootRecord } from "./record.ts";

/** Turns what each edge saw into facts of the machine's record. Never throws; safe to call per packet. */
export interface BootObserver {
  dhcp(event: DhcpEvent): void;
  tftp(event: TftpObserved): void;
  script(served: ScriptServed): void;
  fetched(fetched: FileFetched): void;
  /** Follows the machines' events until the returned function is called. */
  follow(bus: Pick<EventBus<MachineEvents>, "subscribe">): () => void;
}

/** Addresses whose MAC is remembered: TFTP and HTTP know machines by address alone (rule 23). */
const maxAddresses = 16_384;

export function createBootObserver(
  record: Pick<BootRecord, "add" | "follows">,
  orders: Pick<BootOrders, "primaryMac">,
  now: () => number,
): BootObserver {
  const macs = createLatest<string, Mac>(maxAddresses);
  const add = (mac: Mac, fact: BootFact) => record.add(orders.primaryMac(mac) ?? mac, fact);
  const addFrom = (address: string, fact: BootFact) => {
    const mac = macs.get(address);
    if (mac !== undefined) add(mac, fact);
  };

  return {
    dhcp(event) {
      if (event.kind === "overheard") {
        const address = addressGiven(event.reply);
        if (address !== undefined) macs.put(address, event.mac);
        return;
      }
      if (event.kind === "trouble") {
        const { at, mac, trouble, message } = event;
        if (mac !== undefined) add(mac, { kind: "trouble", at, trouble, message: cut(message) });
        return;
      }
      const address = addressOf(event);
      if (address !== undefined) macs.put(address, event.mac);
      const mac = orders.primaryMac(event.mac) ?? event.mac;
      if (event.client.kind === "plain" && !record.follows(mac)) return;
      record.add(mac, dhcpFact(event));
    },
    tftp: (event) => addFrom(event.client.address, tftpFact(event)),
    script({ mac, clientIp, via, order, reason, files }) {
      macs.put(clientIp, mac);
      const why = reason === undefined ? {} : { reason: cut(reason) };
      add(mac, { kind: "script", at: now(), via, order, ...why, files: files.map(cut) });
    },
    fetched({ clientIp, method, path, status, size, range }) {
      const part = range === undefined ? {} : { range: cut(range) };
      addFrom(clientIp, { kind: "fetch", at: now(), method, path: cut(path), status, size, ...part });
    },
    follow(bus) {
      const ends = [
        bus.subscribe("boot-record", "machine.discovered", ({ mac, at }) =>
          add(mac, { kind: "discovered", at }),
        ),
        bus.subscribe("boot-record", "install.stage-reached", ({ mac, at, stage, outcome, message }) => {
          const words = message === undefined ? {} : { message: cut(message) };
          add(mac, { kind: "stage", at, stage: cut(stage), outcome, ...words });
        }),
        bus.subscribe("boot-record", "install.started", ({ mac, at, name }) =>
          add(mac, { kind: "install", at, what: "started", name }),
        ),
        bus.subscribe("boot-record", "install.finished", ({ mac, at, name }) =>
          add(mac, { kind: "install", at, what: "finished", name }),
        ),
        bus.subscribe("boot-record", "install.failed", ({ mac, at, name, reason }) =>
          add(mac, { kind: "install", at, what: "failed", name, reason: cut(reason) }),
        ),
        bus.subscribe("boot-record", "install.stalled", ({ mac, at, name, reason }) =>
          add(mac, { kind: "install", at, what: "stalled", name, reason: cut(reason) }),
        ),
      ];
      return () => {
        for (const end of ends) end();
      };
    },
  };
}

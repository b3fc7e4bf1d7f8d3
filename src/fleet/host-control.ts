import type { AuditLog } from "../access/service.ts";
import type { HostControl } from "../machines/service.ts";
import type { Clock } from "../platform/clock.ts";
import { AppError } from "../platform/errors.ts";
import type { Exit } from "./hub.ts";
import type { Fleet } from "./service.ts";

/** An operation that says nothing for so long, in milliseconds, is given up. */
const patience = 90_000;
const maxSaid = 2000;

/** Hosts by their agents' fixed operations. */
export function createHostControl(fleet: Fleet, audit: AuditLog, clock: Clock): HostControl {
  return {
    connected: (nics) =>
      fleet.list().find(({ state, macs }) => state === "connected" && nics.some((nic) => macs.includes(nic)))
        ?.name,
    async operate(actor, server, name) {
      let said = "";
      const { promise, resolve } = Promise.withResolvers<Exit>();
      const handle = fleet.hub.start(
        server,
        { kind: "operate", operation: { name } },
        {
          output(_, data) {
            if (said.length < maxSaid) said += Buffer.from(data).toString("utf8");
          },
          inputTaken() {},
          exit: resolve,
        },
      );
      const cancel = clock.after(patience, () => {
        handle.cancel();
        resolve({ code: null, signal: null, reason: `server/${server} did not answer in time` });
      });
      // A host that goes down takes its agent along, perhaps before that can tell: then it did what it was asked for.
      const stopLooking = clock.every(500, () => {
        if (name === "reboot" && !fleet.hub.connected(server)) resolve({ code: 0, signal: null });
      });
      const exit = await promise.finally(() => {
        cancel();
        stopLooking();
      });
      const done = exit.code === 0 || (name === "reboot" && exit.signal !== null);
      const detail = said.trim().split("\n").at(-1) || (exit.reason ?? `exit code ${exit.code}`);
      await audit.record(actor, {
        action: "servers:operate",
        resource: `server/${server}`,
        result: done ? "allowed" : "failed",
        detail: name,
      });
      if (!done && exit.reason !== undefined) throw new AppError("failed", exit.reason);
      return { done, said: detail.replace(/^labctl: /, "") };
    },
  };
}

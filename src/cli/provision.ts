import { defineGroup } from "./define.ts";

export const provision = defineGroup({
  summary: "machines: what there is, what is installed on them, and how it goes",
  example: "labctl provision install 52:54:00:12:34:56 node1 --os debian-12 --ssh-key ~/.ssh/id_ed25519.pub",
  commands: {
    list: {
      summary: "the machines, with their state",
      load: async () => (await import("./provision-list.ts")).list,
    },
    show: {
      summary: "one machine: hardware, install stages, history; --boot for its boot record",
      load: async () => (await import("./provision-show.ts")).show,
    },
    install: {
      summary: "queue an install; the machine's next network boot starts it",
      load: async () => (await import("./provision-install.ts")).install,
    },
    cancel: {
      summary: "take a queued install back; the machine is what it was before",
      load: async () => (await import("./provision-cancel.ts")).cancel,
    },
    reprovision: {
      summary: "install a machine anew, and let it start into that by itself",
      load: async () => (await import("./provision-reprovision.ts")).reprovision,
    },
    wake: {
      summary: "switch a machine on over the network (wake-on-LAN)",
      load: async () => (await import("./provision-reprovision.ts")).wake,
    },
    wait: {
      summary: "wait for an install to end, showing how it goes",
      load: async () => (await import("./provision-wait.ts")).wait,
    },
    logs: {
      summary: "the log of a machine's install; -f follows it",
      load: async () => (await import("./provision-logs.ts")).logs,
    },
    options: {
      summary: "what one machine's firmware needs: loader, way to the local disk, kernel arguments",
      load: async () => (await import("./provision-options.ts")).options,
    },
    forget: {
      summary: "remove a machine's record",
      load: async () => (await import("./provision-forget.ts")).forget,
    },
  },
});

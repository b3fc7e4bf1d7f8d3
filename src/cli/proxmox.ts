import { defineGroup } from "./define.ts";

export const proxmox = defineGroup({
  summary: "the Proxmox VE clusters: trust, self-test, rights, guests",
  example: "labctl proxmox selftest",
  commands: {
    list: {
      summary: "the configured clusters, their nodes and what each is trusted by",
      load: async () => (await import("./proxmox-lists.ts")).list,
    },
    trust: {
      summary: "look at a node's certificate and pin it once you have compared it",
      load: async () => (await import("./proxmox-trust.ts")).trust,
    },
    selftest: {
      summary: "check what the configured features need",
      load: async () => (await import("./proxmox-selftest.ts")).selftest,
    },
    role: {
      summary: "the pveum commands for a role of least privilege and a token",
      load: async () => (await import("./proxmox-role.ts")).role,
    },
    nodes: {
      summary: "the nodes of a cluster",
      load: async () => (await import("./proxmox-lists.ts")).nodes,
    },
    guests: {
      summary: "the guests the token may see",
      load: async () => (await import("./proxmox-lists.ts")).guests,
    },
    storages: {
      summary: "the storages of a node the token may see",
      load: async () => (await import("./proxmox-lists.ts")).storages,
    },
  },
});

import { $ } from "bun";

/** Two network namespaces and a cable between them, one network of 10.99.0.0/16. */
export interface Lab {
  /** Where servers live, each at an address of its own: 10.99.0.1 and so on. */
  server: { namespace: string; interface: string; addresses: string[] };
  /** Where clients live: 10.99.0.100. */
  client: { namespace: string; address: string };
  remove(): Promise<void>;
}

export async function createLab(servers: number): Promise<Lab> {
  const [server, client] = [`bench-s-${process.pid}`, `bench-c-${process.pid}`];
  const addresses = Array.from({ length: servers }, (_, index) => `10.99.0.${1 + index}`);
  const remove = async () => {
    for (const namespace of [server, client]) await $`ip netns delete ${namespace}`.nothrow().quiet();
  };
  try {
    await $`ip netns add ${server}`.quiet();
    await $`ip netns add ${client}`.quiet();
    await $`ip link add veth0 netns ${server} type veth peer name veth0 netns ${client}`.quiet();
    for (const [namespace, own] of [
      [server, addresses],
      [client, ["10.99.0.100"]],
    ] as const) {
      for (const address of own) await $`ip -n ${namespace} address add ${address}/16 dev veth0`.quiet();
      await $`ip -n ${namespace} link set lo up`.quiet();
      await $`ip -n ${namespace} link set veth0 up`.quiet();
    }
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    server: { namespace: server, interface: "veth0", addresses },
    client: { namespace: client, address: "10.99.0.100" },
    remove,
  };
}

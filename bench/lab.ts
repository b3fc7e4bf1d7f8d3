import { $ } from "bun";

/** Two network namespaces and a cable between them. */
export interface Lab {
  /** Where servers live: `veth0`, 10.99.0.1/24. */
  server: { namespace: string; interface: string; address: string };
  /** Where clients live: 10.99.0.2/24. */
  client: { namespace: string; address: string };
  remove(): Promise<void>;
}

export async function createLab(): Promise<Lab> {
  const [server, client] = [`bench-s-${process.pid}`, `bench-c-${process.pid}`];
  const remove = async () => {
    for (const namespace of [server, client]) await $`ip netns delete ${namespace}`.nothrow().quiet();
  };
  try {
    await $`ip netns add ${server}`.quiet();
    await $`ip netns add ${client}`.quiet();
    await $`ip link add veth0 netns ${server} type veth peer name veth0 netns ${client}`.quiet();
    for (const [namespace, address] of [
      [server, "10.99.0.1/24"],
      [client, "10.99.0.2/24"],
    ]) {
      await $`ip -n ${namespace} address add ${address} dev veth0`.quiet();
      await $`ip -n ${namespace} link set lo up`.quiet();
      await $`ip -n ${namespace} link set veth0 up`.quiet();
    }
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    server: { namespace: server, interface: "veth0", address: "10.99.0.1" },
    client: { namespace: client, address: "10.99.0.2" },
    remove,
  };
}

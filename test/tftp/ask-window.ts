// Serves on the address given, asks for one window of blocks, and prints the numbers of those that came.
import { createRawClient, startServer } from "./fixture.ts";

const address = process.argv[2] ?? "127.0.0.1";
const { server, port } = await startServer({ f: new Uint8Array(20_000) }, { listen: { address } });
const client = await createRawClient(address);
const options: [string, string][] = [
  ["blksize", "1428"],
  ["windowsize", "8"],
];
client.send({ kind: "RRQ", filename: "f", mode: "octet", options }, port, address);
const tid = (await client.next())?.port ?? 0;
client.send({ kind: "ACK", block: 0 }, tid, address);
const blocks: number[] = [];
while (blocks.length < 8) {
  const packet = (await client.next())?.packet;
  if (packet?.kind !== "DATA") break;
  blocks.push(packet.block);
}
console.log(JSON.stringify(blocks));
client.close();
await server.stop();

// Serves on the address given, asks for more than any link carries, and prints the options that were granted.
import { createRawClient, startServer } from "./fixture.ts";

const address = process.argv[2] ?? "127.0.0.1";
const { server, port } = await startServer({ f: new Uint8Array(1) }, { listen: { address } });
const client = await createRawClient(address);
client.send({ kind: "RRQ", filename: "f", mode: "octet", options: [["blksize", "65464"]] }, port, address);
const answer = (await client.next())?.packet;
console.log(JSON.stringify(answer?.kind === "OACK" ? answer.options : answer));
client.close();
await server.stop();

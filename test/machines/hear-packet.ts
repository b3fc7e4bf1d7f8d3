// Prints each datagram that comes to a UDP port, in hexadecimal: what a network card would look at.
import { createSocket } from "node:dgram";

const socket = createSocket("udp4");
socket.on("message", (packet) => console.log(packet.toString("hex")));
socket.bind(Number(process.argv[2]), "0.0.0.0", () => console.log("listening"));

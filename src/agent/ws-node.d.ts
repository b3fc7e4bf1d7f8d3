// The real `ws` under a name Bun does not replace with its own.
declare module "ws-node" {
  export * from "ws";
  export { WebSocketServer } from "ws";

  import WebSocket from "ws";

  export { WebSocket };
}

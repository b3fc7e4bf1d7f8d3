import type { Sessions } from "../access/service.ts";

/** The same stream, cut off when the session that asked for it ends: whoever stole its cookie sees no more. */
export function untilEnded(response: Response, sessions: Pick<Sessions, "watch">, id: string): Response {
  const { body } = response;
  if (body === null) return response;
  const reader = body.getReader();
  let unwatch = () => {};
  const cut = new ReadableStream<Uint8Array>({
    start(controller) {
      unwatch = sessions.watch(id, () => {
        controller.close();
        reader.cancel().catch(() => {});
      });
    },
    async pull(controller) {
      try {
        const { value, done } = await reader.read();
        if (done) {
          unwatch();
          controller.close();
        } else controller.enqueue(value);
      } catch {
        // Cut off by its source, or closed by the session's end just now.
        unwatch();
        controller.error();
      }
    },
    async cancel() {
      unwatch();
      await reader.cancel();
    },
  });
  return new Response(cut, response);
}

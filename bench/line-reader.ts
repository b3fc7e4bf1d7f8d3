/** Waits for the line that begins with a word. */
export function lineReader(stream: ReadableStream<Uint8Array>): (start: string) => Promise<string> {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let text = "";
  return async (start) => {
    for (;;) {
      const cut = text.indexOf("\n");
      if (cut >= 0) {
        const line = text.slice(0, cut);
        text = text.slice(cut + 1);
        if (line.startsWith(start)) return line;
        continue;
      }
      const { done, value } = await reader.read();
      if (done) throw new Error("the client ended early");
      text += decoder.decode(value, { stream: true });
    }
  };
}

import type { z } from "zod";

/** A message from the other side: one of the union, one a newer other side may know, or a wrong one. */
export type ReadMessage<Message> =
  | { kind: "message"; message: Message }
  | { kind: "unknown" }
  | { kind: "invalid"; reason: string };

interface Union<Message> extends z.ZodType<Message> {
  options: readonly { shape: { kind: z.ZodLiteral<string> } }[];
}

/** Reads one JSON text as a message of the union, told apart by its `kind`. */
export function createMessageReader<Message>(schema: Union<Message>): (text: string) => ReadMessage<Message> {
  const kinds = new Set(schema.options.map((option) => option.shape.kind.value));
  return (text) => {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return { kind: "invalid", reason: "it is not JSON" };
    }
    const result = schema.safeParse(value);
    if (result.success) return { kind: "message", message: result.data };
    const kind: unknown =
      typeof value === "object" && value !== null ? Reflect.get(value, "kind") : undefined;
    if (typeof kind === "string" && !kinds.has(kind)) return { kind: "unknown" };
    const issue = result.error.issues[0];
    return { kind: "invalid", reason: `${String(kind)}: ${issue?.path.join(".")} ${issue?.message}` };
  };
}

import { z } from "zod";

/** An answer as it came off the wire. */
export interface RawAnswer {
  status: number;
  /** The reason phrase. Before 2025's http server it was all the explanation there was. */
  statusText: string;
  body: string;
}

export type Answer =
  | { kind: "data"; data: unknown; total: number | undefined }
  | {
      kind: "refused";
      status: number;
      reason: string;
      /** Of a 400: what is wrong, by parameter. */
      fields: Record<string, string>;
    }
  /** A success that is not the API's: some other server, a captive portal, a proxy's page. */
  | { kind: "foreign"; status: number };

const success = z.looseObject({ data: z.unknown(), total: z.coerce.number().optional().catch(undefined) });
const failure = z.looseObject({
  message: z.string().optional().catch(undefined),
  errors: z.record(z.string(), z.coerce.string()).optional().catch(undefined),
});

export function decodeAnswer({ status, statusText, body }: RawAnswer): Answer {
  const json = parseJson(body);
  if (status >= 200 && status < 300) {
    const found = success.safeParse(json);
    if (!found.success || !("data" in found.data)) return { kind: "foreign", status };
    return { kind: "data", data: found.data.data, total: found.data.total };
  }
  const found = failure.safeParse(json);
  const message = found.success ? found.data.message?.trim() : undefined;
  const fields = Object.fromEntries(
    Object.entries((found.success && found.data.errors) || {}).map(([name, text]) => [name, text.trim()]),
  );
  const reason = (message || statusText.trim() || `HTTP status ${status}`).slice(0, 2000);
  return { kind: "refused", status, reason, fields };
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

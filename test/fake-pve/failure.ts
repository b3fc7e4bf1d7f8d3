/** A refusal in the API's words. */
export class Refused extends Error {
  readonly status: number;
  readonly fields: Record<string, string> | undefined;

  constructor(status: number, message: string, fields?: Record<string, string>) {
    super(message);
    this.status = status;
    this.fields = fields;
  }
}

export const refuse = (message: string): Refused => new Refused(500, message);
export const badParams = (fields: Record<string, string>): Refused =>
  new Refused(400, "Parameter verification failed.", fields);
export const denied = (path?: string, privileges?: readonly string[]): Refused =>
  new Refused(
    403,
    path === undefined
      ? "Permission check failed"
      : `Permission check failed (${path}, ${(privileges ?? []).join("|")})`,
  );

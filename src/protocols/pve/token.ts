import { AppError } from "../../platform/errors.ts";

const spelled =
  /^(?:PVEAPIToken=)?([^\s:/!=]+@[A-Za-z][A-Za-z0-9._-]+)!([A-Za-z][A-Za-z0-9._-]+)=([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})$/;

/** An API token, `user@realm!id=uuid`. However it is printed, logged or serialised, the uuid is `****`. */
export class PveToken {
  /** `lab@pve` */
  readonly user: string;
  /** `appliance` */
  readonly tokenid: string;
  readonly #secret: string;

  private constructor(user: string, tokenid: string, secret: string) {
    this.user = user;
    this.tokenid = tokenid;
    this.#secret = secret;
  }

  /** `source` says where the text came from; the text itself never enters a message. */
  static parse(text: string, source: string): PveToken {
    const found = spelled.exec(text.trim());
    if (!found) {
      throw new AppError("config", `${source} does not hold a Proxmox API token`, {
        hint: "one line: user@realm!tokenid=uuid, as `pveum user token add` prints it (full-tokenid and value)",
      });
    }
    const [, user = "", tokenid = "", secret = ""] = found;
    return new PveToken(user, tokenid, secret);
  }

  /** `lab@pve!appliance` */
  get id(): string {
    return `${this.user}!${this.tokenid}`;
  }

  /** The value of the Authorization header: for the transport alone. */
  authorization(): string {
    return `PVEAPIToken=${this.id}=${this.#secret}`;
  }

  /** `text` with the secret painted over, for what a server or a library may echo back. */
  redact(text: string): string {
    return text.replaceAll(this.#secret, "****");
  }

  toString(): string {
    return `${this.id}=****`;
  }

  toJSON(): string {
    return this.toString();
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }
}

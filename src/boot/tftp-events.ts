import type { Mode, OptionList } from "../protocols/tftp/packet.ts";
import type { Outcome } from "../protocols/tftp/transfer.ts";
import type { TftpClient } from "./tftp-source.ts";

interface TransferFacts {
  /** Milliseconds since the epoch. */
  at: number;
  client: TftpClient;
  /** Normalised, relative to the root. */
  path: string;
  mode: Mode;
  /** Bytes the whole transfer carries. */
  size: number;
  blksize: number;
  windowsize: number;
  /** What the client asked for, as it spelled it. */
  asked: OptionList;
  /** What was granted. */
  granted: OptionList;
}

export type TftpEvent =
  | ({ kind: "transfer-started" } & TransferFacts)
  | ({
      kind: "transfer-ended";
      outcome: Outcome;
      /** Why it ended, in words; empty when it completed. */
      detail: string;
      /** Acknowledged by the client. */
      bytes: number;
      blocks: number;
      retries: number;
      durationMs: number;
      /** Bytes a second. */
      rate: number;
    } & TransferFacts)
  | {
      kind: "request-refused";
      at: number;
      client: TftpClient;
      /** As the client wrote it. */
      filename: string;
      /** The TFTP error code it was told. */
      code: number;
      reason: string;
    };

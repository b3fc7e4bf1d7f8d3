/**
 * Certificates are valid from so long before they were made, in milliseconds: a clock that is set to local time, as
 * firmware of many boards has it, is up to 14 hours behind ours.
 */
export const backdate = 24 * 3_600_000;

/** Whether a third of a certificate's life is left, or less: its holder should have the next one made. */
export const isRenewalDue = (notBefore: number, notAfter: number, now: number): boolean =>
  now >= notAfter - (notAfter - notBefore - backdate) / 3;

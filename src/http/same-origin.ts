/** What a browser says of where a request comes from. */
export interface RequestSource {
  method: string;
  host: string | undefined;
  /** `Sec-Fetch-Site` (W3C Fetch Metadata); every current browser sends it. */
  site: string | undefined;
  origin: string | undefined;
  /** Whether the browser adds its proof by itself: a cookie. */
  ambient: boolean;
}

/**
 * Whether another site's page may have made a browser ask for this change. What is no browser says neither whence it
 * comes nor brings a cookie; a cookie without a word of its origin is refused.
 */
export function isForeign({ method, host, site, origin, ambient }: RequestSource): boolean {
  if (method === "GET" || method === "HEAD" || method === "OPTIONS") return false;
  if (site !== undefined) return site !== "same-origin";
  if (origin !== undefined) return origin !== `https://${host}`;
  return ambient;
}

import { AppError } from "../platform/errors.ts";
import { formatEndpoint, parseEndpoint } from "../protocols/pve/endpoint.ts";
import { type Fingerprint, parseFingerprint } from "../protocols/pve/fingerprint.ts";
import type { ProxmoxCluster } from "../roles/proxmox.ts";
import { defineCommand } from "./define.ts";
import { note, print, visible } from "./output.ts";
import { configFlag, loadProxmox } from "./proxmox-clusters.ts";

export const trust = defineCommand({
  summary: "look at a node's certificate and pin it once you have compared it",
  example: "labctl proxmox trust pve1.lab",
  args: {
    host: {
      type: "positional",
      required: true,
      description: "the node's address, with a port where it is not 8006",
    },
    fingerprint: {
      type: "string",
      description: "the SHA-256 you expect: pinned without a question when it is shown",
      valueHint: "SHA256",
    },
    ...configFlag,
  },
  run: async ({ host, fingerprint, config }) => {
    const endpoint = parseEndpoint(host);
    const place = formatEndpoint(endpoint);
    const expected = fingerprint === undefined ? undefined : parseFingerprint(fingerprint);
    const { clusters, file } = await loadProxmox(config);
    const { observeCertificate } = await import("../protocols/pve/pinned-tls.client.ts");
    const { readPins, savePin } = await import("../protocols/pve/trust-file.client.ts");
    const leaf = await observeCertificate(endpoint);
    const before = readPins(file).get(place);
    note(
      `${place}\n  subject      ${visible(leaf.subject)}\n  issuer       ${visible(leaf.issuer)}\n  names        ${visible(leaf.names)}\n  valid until  ${visible(leaf.validTo)}\n  SHA-256      ${leaf.fingerprint}`,
    );
    if (before === leaf.fingerprint) {
      print(`${place} is pinned already`);
      return;
    }
    if (before !== undefined) note(`  pinned so far ${before}`);
    const voucher = await vouchedFor(clusters, place, leaf.fingerprint);
    if (voucher !== undefined) note(`  ${voucher}`);
    if (expected === undefined) confirm(place);
    else if (expected !== leaf.fingerprint) {
      throw new AppError(
        "conflict",
        `${place} shows ${leaf.fingerprint}, not ${expected}: nothing was pinned`,
        {
          hint: "it is another host, or its certificate was renewed: compare on the node itself",
        },
      );
    }
    savePin(file, place, leaf.fingerprint);
    print(`${place} is pinned in ${file}`);
  },
});

/** What a node that is trusted already says of this certificate, over its own, checked connection. */
async function vouchedFor(
  clusters: readonly ProxmoxCluster[],
  place: string,
  seen: Fingerprint,
): Promise<string | undefined> {
  for (const cluster of clusters) {
    if (!cluster.endpoints.some((endpoint) => formatEndpoint(endpoint) === place)) continue;
    const others = cluster.endpoints.filter(
      (endpoint) => endpoint.fingerprint !== undefined && formatEndpoint(endpoint) !== place,
    );
    if (others.length === 0) continue;
    try {
      const client = cluster.connect(others);
      const nodes = await client.cluster.nodes({ timeoutMs: 10_000 }).finally(() => client.close());
      const found = nodes.find((node) => node.ssl_fingerprint?.toUpperCase() === seen);
      const by = others.map(formatEndpoint).join(", ");
      return found
        ? `${by}, trusted, says this is the certificate of ${visible(found.node)}`
        : `${by}, trusted, knows no node with this certificate: BEWARE`;
    } catch (error) {
      return `no trusted node could be asked: ${error instanceof Error ? error.message : error}`;
    }
  }
  return undefined;
}

function confirm(place: string): void {
  note(
    "\nCompare with the node itself:\n  openssl x509 -noout -fingerprint -sha256 -in /etc/pve/local/pve-ssl.pem\n  (or pveproxy-ssl.pem, where there is one)",
  );
  if (!process.stdin.isTTY) {
    throw new AppError("usage", `${place} was not pinned: there is nobody to ask`, {
      hint: `labctl proxmox trust ${place} --fingerprint SHA256`,
    });
  }
  if (prompt("Is it the same? Write yes to pin it:")?.trim().toLowerCase() !== "yes") {
    throw new AppError("conflict", `${place} was not pinned`);
  }
}

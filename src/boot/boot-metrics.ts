import type { Metrics } from "../platform/metrics.ts";
import type { DhcpEvent } from "./dhcp-events.ts";
import type { ScriptServed } from "./dispatch.ts";
import type { FileFetched } from "./lab-routes.ts";
import type { TftpEvent } from "./tftp-events.ts";

/** Counts what the edges of network boot did. No label holds what a client chose. */
export interface BootMetrics {
  dhcp(event: DhcpEvent): void;
  tftp(event: TftpEvent): void;
  script(served: ScriptServed): void;
  fetched(fetched: FileFetched): void;
}

const folders = ["boot", "grub", "ram", "installer", "image", "agent"] as const;

export function createBootMetrics(metrics: Metrics): BootMetrics {
  const boots = metrics.counter(
    "labctl_boots_total",
    "Boot scripts handed out, by what they make the machine do.",
    ["loader", "outcome"],
  );
  const messages = metrics.counter(
    "labctl_dhcp_messages_total",
    "DHCP requests, by what they were answered.",
    ["port", "type", "answer"],
  );
  const troubles = metrics.counter(
    "labctl_dhcp_troubles_total",
    "Things on the network that keep machines from booting.",
    ["trouble"],
  );
  const transfers = metrics.counter("labctl_tftp_transfers_total", "TFTP transfers, by how they ended.", [
    "outcome",
  ]);
  const refused = metrics.counter("labctl_tftp_refused_total", "TFTP requests refused, by error code.", [
    "code",
  ]);
  const tftpBytes = metrics.counter("labctl_tftp_sent_bytes_total", "Bytes that TFTP clients acknowledged.");
  const retries = metrics.counter("labctl_tftp_retries_total", "TFTP windows sent again.");
  const files = metrics.counter("labctl_http_files_total", "Files asked for over HTTP.", [
    "folder",
    "status",
  ]);
  const fileBytes = metrics.counter("labctl_http_file_bytes_total", "Bytes of the files answered.", [
    "folder",
  ]);
  let started = 0;
  let ended = 0;
  metrics.reading("gauge", "labctl_tftp_transfers_active", "TFTP transfers under way.", () => [
    { labels: {}, value: started - ended },
  ]);

  return {
    dhcp(event) {
      if (event.kind === "trouble") troubles.add({ trouble: event.trouble });
      if (event.kind !== "exchange") return;
      const { outcome } = event;
      messages.add({
        port: String(event.port),
        type: event.request.options.messageType ?? "BOOTP",
        answer: outcome.kind === "answered" ? (outcome.reply.options.messageType ?? "BOOTP") : outcome.kind,
      });
    },
    tftp(event) {
      if (event.kind === "transfer-started") started++;
      else if (event.kind === "request-refused") refused.add({ code: String(event.code) });
      else {
        ended++;
        transfers.add({ outcome: event.outcome });
        tftpBytes.add({}, event.bytes);
        retries.add({}, event.retries);
      }
    },
    script: ({ via, order }) => boots.add({ loader: via, outcome: order }),
    fetched({ path, status, size }) {
      const first = path.split("/").find((part) => part !== "");
      const folder = folders.find((each) => each === first) ?? "script";
      files.add({ folder, status: String(status) });
      fileBytes.add({ folder }, size);
    },
  };
}

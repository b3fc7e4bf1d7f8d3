import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { answers } from "./bastion.ts";
import type { BenchContext } from "./definition.ts";
import { type ServerProcess, startServer } from "./server-process.ts";

/** nginx as Debian sets it up, serving `files`; `undefined` where it cannot be had. */
export async function startNginx(
  context: BenchContext,
  namespace: string,
  address: string,
  files: string,
): Promise<ServerProcess | undefined> {
  const nginx = await context.peer("nginx", "nginx", "nginx-common");
  if (nginx === undefined) return undefined;
  const home = join(context.scratch, "nginx");
  await mkdir(home, { recursive: true });
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path ${home}/${name};`)
    .join(" ");
  await Bun.write(
    join(home, "nginx.conf"),
    `daemon off; user root; worker_processes auto; worker_rlimit_nofile 20000; pid ${home}/pid; error_log ${home}/error.log;
events { worker_connections 16384; }
http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; ${temporary}
  server { listen ${address}:8080 reuseport; root ${files}; } }
`,
  );
  const command = [nginx.path, "-p", home, "-c", join(home, "nginx.conf"), "-e", join(home, "error.log")];
  const process = startServer("nginx", namespace, command, nginx.env);
  await answers(namespace, `http://${address}:8080/`);
  return process;
}

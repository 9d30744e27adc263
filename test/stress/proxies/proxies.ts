// Proxies with their defaults in front of a service: each knows two servers, which are that service,
// but for Varnish, whose default is one.

import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { freePort } from "../../lib/service.ts";
import { until } from "../../lib/until.ts";

export interface Proxy {
  readonly name: "nginx" | "haproxy" | "varnishd";
  readonly command: (port: number, folder: string) => readonly string[];
  readonly config: (port: number, backend: number, folder: string) => string;
}

const CONFIG_FILE = "proxy.conf";

export const NGINX: Proxy = {
  name: "nginx",
  command: (_port, folder) => ["-c", join(folder, CONFIG_FILE), "-p", folder],
  config: (port, backend, folder) => `
    daemon off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log;
    events { worker_connections 256; }
    http {
      access_log off; client_max_body_size 100m; client_body_temp_path ${folder}/body;
      proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi;
      uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
      upstream cache { server 127.0.0.1:${backend}; server 127.0.0.1:${backend}; }
      server { listen 127.0.0.1:${port}; location / { proxy_pass http://cache; } }
    }`,
};

/** nginx with a cache, which says in X-Cache what it has done. */
export const CACHING_NGINX: Proxy = {
  ...NGINX,
  config: (port, backend, folder) =>
    NGINX.config(port, backend, folder)
      .replace(
        "upstream cache",
        `proxy_cache_path ${folder}/cache keys_zone=z:1m;\n      upstream cache`,
      )
      .replace(
        "proxy_pass http://cache;",
        `proxy_pass http://cache; proxy_cache z; proxy_cache_revalidate on;
         add_header X-Cache $upstream_cache_status;`,
      ),
};

export const HAPROXY: Proxy = {
  name: "haproxy",
  command: (_port, folder) => ["-db", "-q", "-f", join(folder, CONFIG_FILE)],
  config: (port, backend) => `
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend f
  bind 127.0.0.1:${port}
  default_backend b
backend b
  http-reuse always
  server one 127.0.0.1:${backend}
  server two 127.0.0.1:${backend}
`,
};

export const VARNISH: Proxy = {
  name: "varnishd",
  command: (port, folder) => [
    ...["-F", "-a", `127.0.0.1:${port}`, "-f", join(folder, CONFIG_FILE)],
    ...["-n", join(folder, "work"), "-s", "malloc,16m"],
  ],
  config: (_port, backend) =>
    `vcl 4.1;\nbackend default { .host = "127.0.0.1"; .port = "${backend}"; }\n`,
};

export const isInstalled = ({ name }: Proxy): boolean => Bun.which(name) !== null;

export interface RunningProxy extends AsyncDisposable {
  readonly url: string;
}

/** Starts a proxy in front of the service at this URL, and resolves when it listens. */
export async function startProxy(proxy: Proxy, serviceUrl: string): Promise<RunningProxy> {
  const folder = await mkdtemp(join(tmpdir(), "ringcache-proxy-"));
  // The workers of nginx and Varnish run as other users.
  await chmod(folder, 0o755);
  const port = freePort();
  const backend = Number(new URL(serviceUrl).port);
  await Bun.write(join(folder, CONFIG_FILE), proxy.config(port, backend, folder));
  const command = [proxy.name, ...proxy.command(port, folder)];
  const child = Bun.spawn(command, { stdout: "ignore", stderr: "ignore" });
  const url = `http://127.0.0.1:${port}`;
  await until(`${proxy.name} listens`, async () => {
    if (child.exitCode !== null) throw new Error(`${proxy.name} has ended with ${child.exitCode}`);
    return (await fetch(`${url}/livez`).catch(() => undefined))?.ok ?? false;
  });
  return {
    url,
    async [Symbol.asyncDispose]() {
      child.kill();
      await child.exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

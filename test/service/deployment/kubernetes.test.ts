// deploy/kubernetes: the plain manifests and the Helm chart, compared with options, routes and the memory
// formula of the source. Helm and kubernetes-validate (PyPI) check them too where they are on PATH.

import { describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { version } from "../../../package.json";
import { readConfig } from "../../../src/config/config.ts";
import { flagOf, variablesOf } from "../../../src/config/parse.ts";
import { OPTIONS } from "../../../src/config/table.ts";
import { parseBytes } from "../../../src/config/units.ts";

const FOLDER = new URL("../../../deploy/kubernetes/", import.meta.url).pathname;
const CHART = `${FOLDER}chart`;
const FILES = ["ringcache.yaml", "network-policy.yaml", "service-monitor.yaml"];
const FLAGS = Object.keys(OPTIONS).map(flagOf);
const VARIABLES = Object.entries(OPTIONS).flatMap(([name, row]) =>
  variablesOf(name, row, "RINGCACHE_"),
);
const ROUTES = await Bun.file(new URL("../../../src/http/routes.ts", import.meta.url)).text();
/** Seconds in which the service ends, apart from draining and the snapshot. */
const END_SECONDS = 5;

const textOf = async (name: string) => await Bun.file(FOLDER + name).text();
/** Returns the objects of a file of several documents. */
const objectsIn = (text: string): Manifest[] =>
  text
    .split(/^---$/m)
    .map((part) => Bun.YAML.parse(part))
    .filter((object) => object !== null && object !== undefined) as Manifest[];

const plain = (await Promise.all(FILES.map(textOf))).flatMap(objectsIn);

describe("the plain manifests", () => {
  test("hold together and fit the service", () => checkManifests(plain));

  test("have the image of this version, a token and a volume", () => {
    const container = containerOf(plain);
    expect(container.image).toBe(`ringcache:${version}`);
    expect(container.env).toEqual([
      { name: "RINGCACHE_DATA_DIR", value: "/data" },
      { name: "RINGCACHE_AUTH_TOKEN_FILE", value: "/run/secrets/ringcache/token" },
    ]);
    expect(container.volumeMounts.map(({ mountPath }) => mountPath)).toEqual([
      ...["/data", "/run/secrets/ringcache"],
    ]);
  });

  test("share no anchor between documents, which are parsed one by one", async () => {
    for (const part of (await textOf("ringcache.yaml")).split(/^---$/m)) {
      for (const [, name] of part.matchAll(/\*(\w+)/g)) expect(part).toContain(`&${name}`);
    }
  });
});

test("the chart has the version of package.json, and its values name options of the service", async () => {
  expect(Bun.YAML.parse(await textOf("chart/Chart.yaml"))).toMatchObject({
    ...{ version, appVersion: version },
  });
  const { options } = Bun.YAML.parse(await textOf("chart/values.yaml")) as Values;
  for (const name of Object.keys(options)) expect(FLAGS).toContain(`--${name}`);
  const template = await textOf("chart/templates/statefulset.yaml");
  const [, ownNames = ""] = /list ((?:"[\w-]+" ?)+)/.exec(template) ?? [];
  for (const [, name] of ownNames.matchAll(/"([\w-]+)"/g)) expect(FLAGS).toContain(`--${name}`);
  for (const [name] of template.matchAll(/RINGCACHE_\w+(?=,)/g)) expect(VARIABLES).toContain(name);
});

const helm = Bun.which("helm");
/** A Helm that `go install` has built assumes 1.20. */
const KUBERNETES = ["--kube-version", "1.30.0"];
const VARIANTS: readonly (readonly string[])[] = [
  [],
  ["auth.secretName=", "persistence.enabled=false", "podDisruptionBudget.enabled=false"],
  [
    ...["replicas=3", "tls.secretName=tls", "serviceMonitor.enabled=true"],
    ...["networkPolicy.enabled=true", "options.max-connections=1000000"],
    "persistence.storageClassName=fast",
  ],
  ["tls.secretName=tls", "tls.clientCertificates=true", "options.default-ttl=0.5"],
  [
    ...["options.upstream=rediss://near@valkey:6379", "upstream.secretName=valkey"],
    ...["upstream.authority=true", "replicas=2", "persistence.enabled=false"],
  ],
];

describe.skipIf(helm === null)("the chart (helm)", () => {
  test("lints", async () => {
    const { exitCode, stdout } = await Bun.$`${helm} lint --strict ${KUBERNETES} ${CHART}`
      .quiet()
      .nothrow();
    expect([exitCode, stdout.toString()]).toEqual([
      0,
      expect.stringContaining("0 chart(s) failed"),
    ]);
  });

  for (const values of VARIANTS) {
    test(`renders objects that fit the service, with ${values.join(" ") || "its own values"}`, async () => {
      const rendered = await render(values);
      checkManifests(objectsIn(rendered));
      expect(rendered).not.toContain("e+0");
    });
  }

  test("rejects an option that the chart sets itself", async () => {
    const set = [...KUBERNETES, "--set", "options.port=80"];
    const { exitCode, stderr } = await Bun.$`${helm} template x ${CHART} ${set}`.quiet().nothrow();
    expect([exitCode, stderr.toString()]).toEqual([1, expect.stringContaining("options.port")]);
  });

  test("rejects the password of an upstream that is not named", async () => {
    const set = [...KUBERNETES, "--set", "upstream.secretName=valkey"];
    const { exitCode, stderr } = await Bun.$`${helm} template x ${CHART} ${set}`.quiet().nothrow();
    expect([exitCode, stderr.toString()]).toEqual([1, expect.stringContaining("options.upstream")]);
  });
});

const validator = Bun.which("kubernetes-validate");

describe.skipIf(validator === null)("the schema of Kubernetes (kubernetes-validate)", () => {
  // The schema does not have the objects of operators.
  const isOwn = (text: string) => !text.includes("kind: ServiceMonitor");

  test("accepts the plain manifests, and the chart where helm renders it", async () => {
    const rendered = helm === null ? [] : await Promise.all(VARIANTS.map(render));
    const texts = [...(await Promise.all(FILES.map(textOf))), ...rendered];
    // One call: the validator takes a second to read the schema.
    const parts = texts.flatMap((text) => text.split(/^---$/m));
    await validate(parts.filter(isOwn).join("\n---\n"));
  });
});

/** What holds for the plain manifests and for every rendered chart. */
function checkManifests(objects: readonly Manifest[]): void {
  const { spec } = find(objects, "StatefulSet");
  const { metadata, spec: pod } = spec.template;
  const container = containerOf(objects);
  const ports = container.ports.map(({ name, containerPort }) => [name, containerPort]);
  expect(ports).toEqual([
    ["http", OPTIONS.port.default],
    ["redis", OPTIONS.respPort.default],
  ]);

  for (const argument of container.args) expect(FLAGS).toContain(argument.split("=")[0] ?? "");
  for (const { name } of container.env ?? []) expect(VARIABLES).toContain(name);
  const memoryBytes = parseBytes(container.resources.limits.memory.replace("Gi", "gb"));
  const machine = { memoryBytes, descriptors: 2 ** 20, cores: 64 };
  const args = container.args.filter((text) => !text.includes("max-conn"));
  const hasUpstream = args.some((text) => text.startsWith("--upstream="));
  const { plan, drainSeconds } = readConfig(
    [...args, ...(hasUpstream ? [] : ["--data-dir", "/data"])],
    {},
    machine,
  );
  expect(plan.neededBytes).toBeLessThanOrEqual(memoryBytes);
  expect(container.resources.requests.memory).toBe(container.resources.limits.memory);

  const sleep = Number(container.lifecycle.preStop.exec.command[1]);
  expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(sleep + drainSeconds + END_SECONDS);
  expect(pod).toMatchObject({
    ...{ enableServiceLinks: false, automountServiceAccountToken: false },
    securityContext: { runAsNonRoot: true, runAsUser: 1000, fsGroup: 1000 },
  });
  expect(container.securityContext).toEqual({
    ...{ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true },
    capabilities: { drop: ["ALL"] },
  });
  for (const probe of ["startupProbe", "readinessProbe", "livenessProbe"] as const) {
    checkProbe(container[probe]);
  }
  const volumes = [...(pod.volumes ?? []), ...(spec.volumeClaimTemplates ?? [])];
  const names = volumes.map((volume) => ("name" in volume ? volume.name : volume.metadata.name));
  expect(names.toSorted()).toEqual(
    container.volumeMounts?.map(({ name }) => name).toSorted() ?? [],
  );

  const { labels } = metadata;
  expect(labels).toMatchObject(spec.selector.matchLabels);
  for (const { kind, spec: other } of objects) {
    if (kind === "Service") {
      expect(labels).toMatchObject(other.selector);
      for (const port of other.ports) {
        expect(ports).toContainEqual([port.targetPort, port.port]);
      }
    }
    if (kind === "PodDisruptionBudget") expect(labels).toMatchObject(other.selector.matchLabels);
    if (kind === "NetworkPolicy") expect(labels).toMatchObject(other.podSelector.matchLabels);
    if (kind === "ServiceMonitor") checkServiceMonitor(other, objects);
  }
}

/** Exactly one service has the labels, so that Prometheus scrapes each pod once. */
function checkServiceMonitor(spec: Spec, objects: readonly Manifest[]): void {
  const [endpoint] = spec.endpoints;
  expect(endpoint).toMatchObject({ port: "http", path: "/metrics" });
  expect(ROUTES).toContain(`"/metrics"`);
  const wanted = Object.entries(spec.selector.matchLabels);
  const selected = objects.filter(
    ({ kind, metadata }) =>
      kind === "Service" && wanted.every(([name, value]) => metadata.labels?.[name] === value),
  );
  expect(selected).toHaveLength(1);
}

/** A probe asks a route that needs no token; or runs the health check, or connects. */
function checkProbe(probe: Probe): void {
  if (probe.exec !== undefined) expect(probe.exec.command.at(-1)).toBe("health");
  else if (probe.tcpSocket !== undefined) expect(probe.tcpSocket.port).toBe("http");
  else {
    expect(probe.httpGet?.port).toBe("http");
    const { path = "" } = probe.httpGet ?? {};
    expect(ROUTES).toMatch(new RegExp(`get\\("${path}".*\\n.*access: "open"`));
  }
}

function find(objects: readonly Manifest[], kind: string): Manifest {
  const [found, ...more] = objects.filter((object) => object.kind === kind);
  if (found === undefined || more.length > 0) throw new Error(`one ${kind} was expected`);
  return found;
}

function containerOf(objects: readonly Manifest[]): Container {
  const [container] = find(objects, "StatefulSet").spec.template.spec.containers;
  if (container === undefined) throw new Error("a container was expected");
  return container;
}

async function render(values: readonly string[]): Promise<string> {
  const set = [...KUBERNETES, ...values.flatMap((value) => ["--set", value])];
  return await Bun.$`${helm} template cache ${CHART} ${set}`.text();
}

async function validate(text: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "ringcache-kubernetes-"));
  try {
    const path = join(folder, "manifests.yaml");
    await Bun.write(path, text);
    const result = await Bun.$`${validator} --strict ${path} 2>&1`.quiet().nothrow();
    expect([result.exitCode, result.exitCode === 0 ? "" : result.text()]).toEqual([0, ""]);
  } finally {
    await rm(folder, { recursive: true });
  }
}

type Labels = Readonly<Record<string, string>>;

interface Values {
  readonly options: Readonly<Record<string, unknown>>;
}

interface Probe {
  readonly httpGet?: { readonly path: string; readonly port: string };
  readonly exec?: { readonly command: readonly string[] };
  readonly tcpSocket?: { readonly port: string };
}

interface Container {
  readonly image: string;
  readonly args: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value: string }[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly lifecycle: {
    readonly preStop: { readonly exec: { readonly command: readonly string[] } };
  };
  readonly resources: {
    readonly requests: { readonly memory: string };
    readonly limits: { readonly memory: string };
  };
  readonly securityContext: Readonly<Record<string, unknown>>;
  readonly startupProbe: Probe;
  readonly readinessProbe: Probe;
  readonly livenessProbe: Probe;
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
}

interface Spec {
  readonly selector: Labels & { readonly matchLabels: Labels };
  readonly podSelector: { readonly matchLabels: Labels };
  readonly ports: readonly { readonly port: number; readonly targetPort: string }[];
  readonly endpoints: readonly Readonly<Record<string, unknown>>[];
  readonly volumeClaimTemplates?: readonly { readonly metadata: { readonly name: string } }[];
  readonly template: {
    readonly metadata: { readonly labels: Labels };
    readonly spec: {
      readonly terminationGracePeriodSeconds: number;
      readonly containers: readonly Container[];
      readonly volumes?: readonly { readonly name: string }[];
    };
  };
}

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels?: Labels };
  readonly spec: Spec;
}

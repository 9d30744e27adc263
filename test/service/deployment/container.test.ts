// The Dockerfile, compose.yaml and the workflow that publishes the image, without a container engine.
// `bun run stress container` builds and runs the image.

import { expect, test } from "bun:test";
import { existsSync } from "node:fs";

import { packageManager, version } from "../../../package.json";
import { readConfig, resolveDataDir } from "../../../src/config/config.ts";
import { OPTIONS } from "../../../src/config/table.ts";

const ROOT = new URL("../../../", import.meta.url).pathname;
const textOf = async (name: string) => await Bun.file(ROOT + name).text();

/** The instructions of the Dockerfile, with continued lines joined. */
const instructions = (await textOf("Dockerfile"))
  .replace(/^#.*\n/gm, "")
  .replaceAll("\\\n", " ")
  .split("\n")
  .filter((line) => line !== "");
const argumentsOf = (name: string) =>
  instructions
    .filter((line) => line.startsWith(`${name} `))
    .map((line) => line.slice(name.length + 1));

test("both stages of the image come from the Bun of package.json", () => {
  const [, bun] = packageManager.split("@");
  const [base] = argumentsOf("ARG");
  expect(base).toMatch(new RegExp(`^BUN_IMAGE=oven/bun:${bun}-slim(@sha256:[0-9a-f]{64})?$`));
  expect(argumentsOf("FROM")).toEqual([
    "--platform=$BUILDPLATFORM ${BUN_IMAGE} AS app",
    "${BUN_IMAGE}",
  ]);
});

test("packages of the service are right for all processors, as the first stage is built on one", async () => {
  const lock = (await textOf("bun.lock")).replace(/,(?=\s*[}\]])/g, "");
  const { packages, workspaces } = JSON.parse(lock) as Lock;
  const seen = new Set<string>();
  const visit = (names: Names = {}) => {
    for (const name of Object.keys(names).filter((known) => !seen.has(known))) {
      seen.add(name);
      const [, , manifest] = packages[name] ?? ["", "", {}];
      expect([name, manifest.os, manifest.cpu]).toEqual([name, undefined, undefined]);
      visit(manifest.dependencies);
      visit(manifest.optionalDependencies);
    }
  };
  visit(workspaces[""].dependencies);
  expect(seen.size).toBeGreaterThan(3);
});

test("the image copies files that exist and that .dockerignore lets in", async () => {
  const letIn: readonly string[] = (await textOf(".dockerignore")).match(/(?<=^!).+/gm) ?? [];
  const copied = argumentsOf("COPY").filter((line) => !line.startsWith("--from"));
  for (const name of copied.flatMap((line) => line.split(" ").slice(0, -1))) {
    expect([name, existsSync(ROOT + name), letIn.includes(name)]).toEqual([name, true, true]);
  }
});

test("the image has the version of package.json, the default ports, and a user by number", () => {
  expect(argumentsOf("ARG")).toContain(`VERSION=${version}`);
  expect(argumentsOf("EXPOSE")).toEqual([`${OPTIONS.port.default} ${OPTIONS.respPort.default}`]);
  expect(argumentsOf("USER")).toEqual(["1000:1000"]);
});

test("the health check is the subcommand of the program, and the engine waits longer than the check", () => {
  const [program = ""] = argumentsOf("ENTRYPOINT");
  const [, timeout = "", check = ""] =
    /--timeout=(\d+)s .*CMD (\[.*\])$/.exec(argumentsOf("HEALTHCHECK")[0] ?? "") ?? [];
  expect(JSON.parse(check)).toEqual([...JSON.parse(program), "health"]);
  expect(Number(timeout)).toBeGreaterThan(2);
});

test("snapshots go to /data if a volume is mounted there, and the service keeps its own entries", () => {
  expect(argumentsOf("ENV")).toEqual(["RINGCACHE_DATA_DIR=auto"]);
  const given = { dataDir: "auto", store: "shared", upstream: "" } as const;
  expect(resolveDataDir(given, (path) => path === "/data")).toBe("/data");
  expect(resolveDataDir(given, () => false)).toBe("");
  expect(resolveDataDir({ ...given, store: "map" }, () => true)).toBe("");
  expect(resolveDataDir({ ...given, upstream: "redis://a" }, () => true)).toBe("");
  expect(resolveDataDir({ ...given, dataDir: "" }, () => true)).toBe("");
  expect(resolveDataDir({ ...given, dataDir: "x" }, () => false)).toBe("x");
});

test("compose publishes both ports only to this machine, with a memory limit and a volume", async () => {
  const { ringcache } = ((await yamlOf("compose.yaml")) as Compose).services;
  expect(ringcache).toMatchObject({
    ...{ ports: ["127.0.0.1:7171:7171", "127.0.0.1:7172:7172"], volumes: ["ringcache-data:/data"] },
    ...{ mem_limit: "1g", read_only: true, cap_drop: ["ALL"] },
    security_opt: ["no-new-privileges:true"],
  });
  const machine = { memoryBytes: 2 ** 30, descriptors: 2 ** 20, cores: 2 };
  const { memory, plan } = readConfig(["--data-dir", "/data"], {}, machine);
  expect(memory).toBe(2 ** 29);
  expect(plan.neededBytes).toBeLessThan(2 ** 30);
});

test("compose.token.yaml mounts the token as a secret", async () => {
  const { services, secrets } = (await yamlOf("deploy/compose.token.yaml")) as Compose;
  expect(services.ringcache).toEqual({
    environment: { RINGCACHE_AUTH_TOKEN_FILE: "/run/secrets/ringcache_token" },
    secrets: ["ringcache_token"],
  });
  expect(secrets).toEqual({ ringcache_token: { file: "./token" } });
});

test("actions of all workflows are pinned by commit, with the version as a comment", async () => {
  for (const name of ["ci.yml", "container.yml"]) {
    const uses = (await textOf(`.github/workflows/${name}`)).match(/uses: .*/g) ?? [];
    expect(uses.length).toBeGreaterThan(1);
    for (const line of uses)
      expect(line).toMatch(/^uses: [\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  }
});

test("the published image has two platforms, labels, an SBOM and provenance", async () => {
  const { jobs } = (await yamlOf(".github/workflows/container.yml")) as Workflow;
  const step = (name: string) => jobs.image.steps.find(({ uses }) => uses?.startsWith(name))?.with;
  const build = step("docker/build-push-action");
  expect(build).toMatchObject({
    ...{ platforms: "linux/amd64,linux/arm64", sbom: true, provenance: "mode=max" },
    labels: "${{ steps.meta.outputs.labels }}",
  });
  expect(build?.["build-args"]).toContain("BUN_IMAGE=${{ steps.base.outputs.name }}@");
  // The action adds source, revision and created.
  const labels = Object.fromEntries(
    String(step("docker/metadata-action")?.["labels"])
      .trim()
      .split("\n")
      .map((line) => line.split("=")),
  ) as Record<string, string>;
  for (const label of ["title", "description", "licenses"]) {
    const name = `org.opencontainers.image.${label}`;
    expect(instructions.join("\n")).toContain(`${name}="${labels[name]}"`);
  }
});

const hadolint = Bun.which("hadolint");

test.skipIf(hadolint === null)("hadolint finds nothing in the Dockerfile (hadolint)", async () => {
  const { exitCode, stdout } = await Bun.$`${hadolint} ${ROOT}Dockerfile`.quiet().nothrow();
  expect([exitCode, stdout.toString()]).toEqual([0, ""]);
});

const yamlOf = async (name: string) => Bun.YAML.parse(await textOf(name));

interface Compose {
  readonly services: { readonly ringcache: Readonly<Record<string, unknown>> };
  readonly secrets?: Readonly<Record<string, { readonly file: string }>>;
}

interface Workflow {
  readonly jobs: {
    readonly image: {
      readonly steps: readonly {
        readonly uses?: string;
        readonly with?: Readonly<Record<string, string | boolean>>;
      }[];
    };
  };
}

type Names = Readonly<Record<string, string>> | undefined;

interface Lock {
  readonly workspaces: { readonly "": { readonly dependencies?: Names } };
  readonly packages: Readonly<
    Record<
      string,
      readonly [
        id: string,
        registry: string,
        manifest: {
          readonly os?: string;
          readonly cpu?: string;
          readonly dependencies?: Names;
          readonly optionalDependencies?: Names;
        },
      ]
    >
  >;
}

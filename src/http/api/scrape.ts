// The route /metrics: the exporter is loaded with the first request, and requests at the same time
// share one reading.

import type { PrometheusExporter } from "../../metrics/exporter.ts";
import type { MetricsContext } from "../../metrics/metric.ts";
import { COMMON_HEADERS } from "../headers.ts";
import type { LargeResponses } from "../large-responses.ts";

export class MetricsScrape {
  readonly #context: MetricsContext;
  readonly #large: LargeResponses;
  #exporter: Promise<PrometheusExporter> | undefined;
  /** The reading in progress: it takes milliseconds, and a megabyte. */
  #text: Promise<string> | undefined;

  constructor(context: MetricsContext, large: LargeResponses) {
    this.#context = context;
    this.#large = large;
  }

  /** Loads the exporter before the first request. */
  async prepare(): Promise<void> {
    await this.#load();
  }

  readonly respond = async (req: Request): Promise<Response> => {
    const exporter = await this.#load();
    this.#text ??= exporter.text().finally(() => (this.#text = undefined));
    const headers = { ...COMMON_HEADERS, "content-type": exporter.contentType };
    return await this.#large.sendText(req, await this.#text, { headers }, this.respond);
  };

  #load(): Promise<PrometheusExporter> {
    return (this.#exporter ??= loadExporter(this.#context).catch((error: unknown) => {
      // For example no free descriptor: the next request tries again.
      this.#exporter = undefined;
      throw error;
    }));
  }
}

async function loadExporter(context: MetricsContext): Promise<PrometheusExporter> {
  const { PrometheusExporter: Exporter } = await import("../../metrics/exporter.ts");
  return new Exporter(context);
}

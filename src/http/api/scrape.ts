// The route /metrics: the exporter is loaded with the first request, and requests at the same time
// share one reading. It is loaded by `require`, within the turn of the event loop: a client that has
// closed its sending side loses a response that takes longer.

import type { PrometheusExporter } from "../../metrics/exporter.ts";
import type { MetricsContext } from "../../metrics/metric.ts";
import { COMMON_HEADERS } from "../headers.ts";
import type { LargeResponses } from "../large-responses.ts";

export class MetricsScrape {
  readonly #context: MetricsContext;
  readonly #large: LargeResponses;
  #exporter: PrometheusExporter | undefined;
  /** The reading in progress: it takes milliseconds, and a megabyte. */
  #text: Promise<string> | undefined;

  constructor(context: MetricsContext, large: LargeResponses) {
    this.#context = context;
    this.#large = large;
  }

  readonly respond = async (req: Request): Promise<Response> => {
    const exporter = (this.#exporter ??= loadExporter(this.#context));
    this.#text ??= exporter.text().finally(() => (this.#text = undefined));
    const headers = { ...COMMON_HEADERS, "content-type": exporter.contentType };
    return await this.#large.sendText(req, await this.#text, { headers }, this.respond);
  };
}

function loadExporter(context: MetricsContext): PrometheusExporter {
  type Exporter = typeof import("../../metrics/exporter.ts");
  const { PrometheusExporter: Exporter } = require("../../metrics/exporter.ts") as Exporter;
  return new Exporter(context);
}

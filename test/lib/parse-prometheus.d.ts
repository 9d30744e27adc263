declare module "parse-prometheus-text-format" {
  /** The families of metrics in Prometheus's text format. */
  export default function parse(text: string): unknown[];
}

// Figures of rounds as a table shows them: the median, and the range beside it.

import { max, median, min } from "simple-statistics";

/** Each round's own ratio: what else the machine does weighs on both of a round alike. */
export function ratiosOf(over: readonly number[], under: readonly number[]): number[] {
  return over.map((figure, round) => figure / (under[round] ?? Number.NaN));
}

/** "1.52 (1.40 to 1.66)". */
export function withRange(stats: readonly number[], digits = 2): string {
  const [middle, least, most] = [median, min, max].map((of) => of([...stats]).toFixed(digits));
  return `${middle} (${least} to ${most})`;
}

/** "123,456". */
export function wholeMedian(stats: readonly number[]): string {
  return Math.round(median([...stats])).toLocaleString("en");
}

/**
 * What part of one core a server used, from requests a second and CPU µs for each: far below
 * 100 % the load was the slower one, and requests a second are its figure.
 */
export function busyPercent(rates: readonly number[] = [], micros: readonly number[] = []): string {
  const shares = rates.map((rate, round) => (rate * (micros[round] ?? Number.NaN)) / 1e4);
  return `${median(shares).toFixed(0)} %`;
}

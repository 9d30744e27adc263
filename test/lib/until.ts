// Waits for a condition that sends no event to the test.

/** Long enough for a machine that is ten times slower, and shorter than the time limit of a test. */
const WAIT_MS_MAX = 100_000;
const CHECK_EVERY_MS = 5;

/** Resolves once the condition holds; rejects with the description if it does not. */
export async function until(
  description: string,
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  const endMs = performance.now() + WAIT_MS_MAX;
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error(`waited in vain until ${description}`);
    await Bun.sleep(CHECK_EVERY_MS);
  }
}

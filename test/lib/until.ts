// A wait for something that the test cannot be told of.

/** Long enough for a machine that is ten times slower, and shorter than the time limit of a test. */
const PATIENCE_MS = 100_000;
const LOOK_EVERY_MS = 5;

/** Resolves once the condition holds; rejects with what was waited for. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  const endMs = performance.now() + PATIENCE_MS;
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error(`waited in vain until ${what}`);
    await Bun.sleep(LOOK_EVERY_MS);
  }
}

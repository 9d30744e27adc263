// Each rule of the near cache with the control that must fail. Needs nothing but Bun.

import { expect, test } from "bun:test";

import { CONTROLS, runControl } from "./controls.ts";

for (const control of CONTROLS) {
  test(`a read is right, and old with this fault: ${control.name}`, async () => {
    expect(await runControl(control, false)).toBe("new");
    expect(await runControl(control, true)).toBe("old");
  });
}

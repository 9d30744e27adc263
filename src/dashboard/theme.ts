// The colours of the style sheet, for drawing on a canvas.

const NAMES = [
  ...(["ink-2", "line", "blue", "orange", "pink", "grey", "bar", "red"] as const),
  ...(["blue-area", "orange-area", "pink-area", "grey-area"] as const),
] as const;
export type Colour = (typeof NAMES)[number];

const colours = new Map<Colour, string>();

/** Returns a colour of the style sheet in the current scheme, as CSS. */
export function colour(name: Colour): string {
  if (colours.size === 0) {
    const style = getComputedStyle(document.documentElement);
    for (const key of NAMES) colours.set(key, style.getPropertyValue(`--${key}`).trim());
  }
  return colours.get(name) ?? "";
}

/** Calls `redraw` when the scheme changes between light and dark. */
export function onSchemeChange(redraw: () => void): void {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    colours.clear();
    redraw();
  });
}

// The colours of the style sheet, for what is drawn on a canvas.

const NAMES = [
  ...(["ink-2", "line", "blue", "orange", "pink", "grey", "bar"] as const),
  ...(["blue-area", "orange-area", "pink-area", "grey-area"] as const),
] as const;
export type Colour = (typeof NAMES)[number];

const colours = new Map<Colour, string>();

/** A colour of the style sheet in the scheme of this moment, as CSS. */
export function colour(name: Colour): string {
  if (colours.size === 0) {
    const style = getComputedStyle(document.documentElement);
    for (const each of NAMES) colours.set(each, style.getPropertyValue(`--${each}`).trim());
  }
  return colours.get(name) ?? "";
}

/** Calls `redraw` whenever the person changes between light and dark. */
export function onSchemeChange(redraw: () => void): void {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    colours.clear();
    redraw();
  });
}

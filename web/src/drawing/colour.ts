// Two themes, and one diverging map with zero fixed: negative blue, positive orange, safe for
// colour-blind readers. Python's figures use the same colour maps (views/figures/style.py).

import { prefersDark } from "./scheme";

export interface Theme {
  readonly name: "dark" | "light";
  readonly background: string;
  readonly panel: string; // zero, and empty cells
  readonly ink: string;
  readonly muted: string;
  readonly line: string;
  readonly accent: string; // the one window, row, column and output being talked about
  readonly diverging: readonly string[];
  readonly sequential: readonly string[]; // for sizes of errors
}

export const DARK: Theme = {
  name: "dark",
  background: "#0f1318",
  panel: "#1a2028",
  ink: "#e8edf2",
  muted: "#93a0ae",
  line: "#313b47",
  accent: "#ff6fae",
  diverging: ["#9bd4ff", "#2f78bf", "#1a2028", "#bf5b1d", "#ffbe7d"],
  sequential: ["#1a2028", "#2b4a6b", "#3f86a8", "#8cc9b0", "#f4f1c1"],
};

export const LIGHT: Theme = {
  name: "light",
  background: "#ffffff",
  panel: "#f3f3ef",
  ink: "#1b2026",
  muted: "#5f6a76",
  line: "#d5d8d3",
  accent: "#c2185b",
  diverging: ["#0b4f92", "#7db7e0", "#f3f3ef", "#f5a962", "#9c3d05"],
  sequential: ["#f3f3ef", "#b9d7dc", "#62a3bd", "#2b6793", "#14304f"],
};

export type Rgb = readonly [red: number, green: number, blue: number];

const STEPS = 512;

/** A map from −1 … 1 (diverging) or 0 … 1 (sequential) to colours, read from a table. */
export class ColourMap {
  private readonly table: Uint8Array;
  /** The same colours as a canvas holds them, four bytes in one number. */
  readonly packed: Uint32Array;

  constructor(
    colours: readonly string[],
    private readonly least: -1 | 0,
  ) {
    const stops = colours.map(rgb);
    this.table = new Uint8Array(3 * (STEPS + 1));
    for (let step = 0; step <= STEPS; step++) {
      const along = (step / STEPS) * (stops.length - 1);
      const stop = Math.min(Math.floor(along), stops.length - 2);
      for (let part = 0; part < 3; part++) {
        const [from, to] = [stops[stop][part], stops[stop + 1][part]];
        this.table[3 * step + part] = Math.round(from + (to - from) * (along - stop));
      }
    }
    this.packed = Uint32Array.from({ length: STEPS + 1 }, (_, step) => pack(this.rgbOf(step)));
  }

  at(value: number, largest: number): Rgb {
    return this.rgbOf(this.step(value, largest));
  }

  /** Place in the table of a value on a scale whose end is `largest`. */
  step(value: number, largest: number): number {
    const share = largest > 0 ? value / largest : 0;
    return Math.round(((Math.max(this.least, Math.min(1, share)) - this.least) / (1 - this.least)) * STEPS);
  }

  private rgbOf(step: number): Rgb {
    return [this.table[3 * step], this.table[3 * step + 1], this.table[3 * step + 2]];
  }
}

const maps = new Map<readonly string[], ColourMap>();

/** diverging: numbers on both sides of zero; sequential: sizes, such as those of errors. */
export function colourMap(theme: Theme, kind: "diverging" | "sequential" = "diverging"): ColourMap {
  const colours = theme[kind];
  const map = maps.get(colours) ?? new ColourMap(colours, kind === "diverging" ? -1 : 0);
  maps.set(colours, map);
  return map;
}

export function rgb(hex: string): Rgb {
  const value = parseInt(hex.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

/** Red first in memory, which is last in a number: every browser's machine is little-endian. */
export const pack = ([red, green, blue]: Rgb): number => ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;

export const css = ([red, green, blue]: Rgb): string => `rgb(${red} ${green} ${blue})`;

/** The colour of text on a coloured cell. */
export function readableOn([red, green, blue]: Rgb): string {
  return 0.299 * red + 0.587 * green + 0.114 * blue > 127 ? "#101418" : "#f2f5f8";
}

/** Sets the theme's colours as custom properties, which style.css reads. */
export function applyTheme(element: HTMLElement, theme: Theme): void {
  element.dataset.theme = theme.name;
  for (const name of ["background", "panel", "ink", "muted", "line", "accent"] as const) {
    element.style.setProperty(`--${name}`, theme[name]);
  }
  for (const kind of ["diverging", "sequential"] as const) {
    theme[kind].forEach((colour, place) => element.style.setProperty(`--${kind}-${place}`, colour));
  }
}

/** The reader's theme, or else the notebook's, or else the system's. */
export function themeOf(requested: "auto" | "dark" | "light"): Theme {
  if (requested !== "auto") return requested === "dark" ? DARK : LIGHT;
  const jupyter = document.body.dataset.jpThemeLight;
  if (jupyter !== undefined) return jupyter === "false" ? DARK : LIGHT;
  return prefersDark() ? DARK : LIGHT;
}

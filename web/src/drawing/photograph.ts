// The colours of a photograph: its channels in red, green, blue or grey, all together in its own colours. The numbers are
// normalised as in the tutorial, (pixel / 255 − 0.5) / 0.5: −1 is black, 1 is full. Numbers with a sign have other colours.

import type { Rgb } from "./colour";

export const CHANNEL_NAMES = ["red", "green", "blue"] as const;

const FULL: readonly Rgb[] = [
  [255, 96, 88],
  [92, 222, 112],
  [108, 156, 255],
];
const WHITE: Rgb = [255, 255, 255];

/** The colour of a pixel in one channel; grey where the photograph has no colours. */
export function channelColour(value: number, channel: number, coloured: boolean): Rgb {
  const full = coloured ? FULL[channel % FULL.length] : WHITE;
  return full.map((part) => Math.round(part * brightness(value))) as unknown as Rgb;
}

/** The colour of a pixel of the photograph itself. */
export function pixelColour(red: number, green: number, blue: number): Rgb {
  return [red, green, blue].map((value) => Math.round(255 * brightness(value))) as unknown as Rgb;
}

const brightness = (value: number): number => Math.max(0, Math.min(1, (value + 1) / 2)) || 0; // NaN is black

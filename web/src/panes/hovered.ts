// The cell under the pointer, in panes whose cells are not pixels, weights or outputs: an element of a
// transformed tile, a frequency. It is no focus of the other panes; only the mode that draws it uses it.

import type { Pair } from "../model/problem";

export class Hovered {
  private place: Pair | null = null;
  private readonly listeners: (() => void)[] = [];

  get(): Pair | null {
    return this.place;
  }

  set(place: Pair | null): void {
    if (place?.join() === this.place?.join()) return;
    this.place = place;
    for (const listener of this.listeners) listener();
  }

  onChange(listener: () => void): void {
    this.listeners.push(listener);
  }
}

// A place that is pointed at and is no pixel, weight or output, so no focus of the other panes: an element
// of a transformed tile, a frequency. Only the mode that draws it talks about it.

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

// The element of the transformed tile that is pointed at. It is no pixel, weight or output, so it is no
// focus of the other panes: only this mode's arrays talk about it.

import type { Pair } from "../problem";

export class Element {
  private element: Pair | null = null;
  private readonly listeners: (() => void)[] = [];

  get(): Pair | null {
    return this.element;
  }

  set(element: Pair | null): void {
    if (element?.join() === this.element?.join()) return;
    this.element = element;
    for (const listener of this.listeners) listener();
  }

  onChange(listener: () => void): void {
    this.listeners.push(listener);
  }
}

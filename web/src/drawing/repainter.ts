// Repaints grids whose numbers follow the focus: all of them at once where the focus rested, but a few
// a frame while it is scrubbed, so that frames stay short. At rest they always agree.

import type { Grid } from "./grid";

const REST = 100; // milliseconds without a change, after which all are repainted at once
const AT_ONCE = 2; // grids a frame, otherwise

export class Repainter {
  private waiting: Grid[] = [];
  private frame = 0;
  private changed = -Infinity;

  /** Repaints grids whose numbers have changed. */
  change(grids: readonly Grid[]): void {
    const now = performance.now();
    const rested = now - this.changed > REST;
    this.changed = now;
    this.waiting.push(...grids.filter((grid) => !this.waiting.includes(grid))); // the grid that has waited longest comes first
    if (rested) this.repaint(this.waiting.length);
    else this.frame ||= requestAnimationFrame(() => this.next());
  }

  stop(): void {
    cancelAnimationFrame(this.frame);
  }

  private next(): void {
    this.frame = 0;
    this.repaint(AT_ONCE);
    if (this.waiting.length) this.frame = requestAnimationFrame(() => this.next());
  }

  private repaint(number: number): void {
    for (const grid of this.waiting.splice(0, number)) grid.repaint();
  }
}

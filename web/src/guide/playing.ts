// Played moves in the guide: the window over the outputs, and the sum of one output product by product.

import { outputAt, outputAtPosition, outputOf, positionOf } from "../model/focus";
import { gemm } from "../model/problem";
import type { Played, State, Store } from "../model/state";
import type { Scene } from "../numerics/scene";
import { nextProduct } from "../panes/player";

const SECONDS = 14; // at most, from the first output to the last
const LEAST_PER_SECOND = 1.5;
const PRODUCTS_PER_SECOND = 2.5;
const PRODUCT_SECONDS = 12; // at most, for the sum of one output

/** The state one output on or back; null at the end. */
export function nextOutput(scene: Scene, state: State, by: number): Partial<State> | null {
  const focus = outputOf(state.focus);
  const position = positionOf(scene.original, focus) + by;
  if (position < 0 || position >= scene.positions) return null;
  return { focus: outputAtPosition(scene.original, focus.filter, position) };
}

/** Plays outputs or products until the last one; still: the reader asked for reduced motion, so each call is one step. */
export class Playing {
  private frame = 0;
  private last = 0;
  private owed = 0; // steps, with a fraction
  what: Played | null = null;

  constructor(
    private readonly store: Store,
    private readonly scene: () => Scene,
    private readonly still: boolean,
    private readonly changed: () => void,
  ) {}

  toggle(what: Played): void {
    const same = this.what === what;
    this.stop();
    if (same) return;
    if (this.still) {
      this.step(what);
      return;
    }
    this.what = what;
    this.owed = 0;
    this.last = performance.now();
    if (what === "products") this.store.set({ focus: { ...outputOf(this.store.get().focus), tap: 0 } });
    else if (!nextOutput(this.scene(), this.store.get(), 1)) this.restart();
    this.frame = requestAnimationFrame((now) => this.walk(now));
    this.changed();
  }

  stop(): void {
    cancelAnimationFrame(this.frame);
    if (this.what === null) return;
    this.what = null;
    this.changed();
  }

  private restart(): void {
    const { filter } = outputOf(this.store.get().focus);
    this.store.set({ focus: outputAt(filter, 0, 0), revealed: 1 });
  }

  private step(what: Played): boolean {
    const scene = this.scene();
    const state = this.store.get();
    const next = what === "outputs" ? nextOutput(scene, state, 1) : nextProduct(scene, state, 1);
    if (next) this.store.set(next);
    else if (this.still) this.restart();
    return next !== null && (what === "outputs" || outputOf(this.store.get().focus).tap !== null);
  }

  private walk(now: number): void {
    const { what } = this;
    if (what === null) return;
    const steps = what === "outputs" ? this.scene().positions : gemm(this.scene().problem).k;
    const least = what === "outputs" ? LEAST_PER_SECOND : PRODUCTS_PER_SECOND;
    const longest = what === "outputs" ? SECONDS : PRODUCT_SECONDS;
    this.owed += (Math.max(0, now - this.last) / 1000) * Math.max(least, steps / longest);
    this.last = now;
    for (; this.owed >= 1; this.owed--) {
      if (this.step(what)) continue;
      this.stop();
      return;
    }
    this.frame = requestAnimationFrame((next) => this.walk(next));
  }
}

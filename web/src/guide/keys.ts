// The guide's keys: ← → outputs, ↑ ↓ filters, Shift and ← → products, Space plays, Page Up and Page Down steps.

import { modulo } from "../model/arithmetic";
import { outputOf } from "../model/focus";
import type { State, Store } from "../model/state";
import type { Scene } from "../numerics/scene";
import { nextProduct } from "../panes/player";
import { nextOutput } from "./playing";

export interface Keyed {
  readonly store: Store;
  scene(): Scene;
  stopPlaying(): void;
  play(): void;
  step(by: number): void;
}

/** Listens until the returned function is called. */
export function keys(root: HTMLElement, keyed: Keyed): () => void {
  const heard = (event: KeyboardEvent): void => {
    const target = event.target as Element;
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (target !== document.body && !root.contains(target)) return;
    if (event.key === " " && target.matches("button, a")) return;
    if (!event.shiftKey && event.key.startsWith("Arrow") && target.closest("[data-steps]")) return;
    if (event.key === "PageDown") keyed.step(1);
    else if (event.key === "PageUp") keyed.step(-1);
    else if (event.key === " ") keyed.play();
    else {
      const changes = pressed(event, keyed.store.get(), keyed.scene());
      if (!changes) return;
      keyed.stopPlaying();
      keyed.store.set(changes);
    }
    event.preventDefault();
  };
  document.addEventListener("keydown", heard, true);
  return () => document.removeEventListener("keydown", heard, true);
}

function pressed(event: KeyboardEvent, state: State, scene: Scene): Partial<State> | null {
  const output = outputOf(state.focus);
  const sideways = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const upright = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  if (event.key === "Escape") return { focus: { ...output, tap: null } };
  if (sideways) return event.shiftKey ? nextProduct(scene, state, sideways) : nextOutput(scene, state, sideways);
  if (upright && !event.shiftKey) return { focus: { ...output, filter: modulo(output.filter + upright, scene.problem.outChannels) } };
  return null;
}

// The keyboard: ← → outputs, ↑ ↓ rows of outputs, [ ] filters, Shift and ← → products within the sum,
// Space plays outputs, Shift and Space the sum, Esc frees, ? lists the keys.

import { modulo } from "./model/arithmetic";
import { outputOf } from "./model/focus";
import { gemm } from "./model/problem";
import type { State, Store } from "./model/state";
import type { Scene } from "./numerics/scene";
import { stepOutput } from "./panes/player";
import type { Player } from "./panes/player";

const TYPED_INTO = "input, select, textarea, [contenteditable]";

/** Listens until the returned function is called. Of several explorers the last one used hears. */
export function keys(root: HTMLElement, store: Store, scene: () => Scene, player: Player, list: () => void): () => void {
  const use = (): void => {
    active = root;
  };
  const heard = (event: KeyboardEvent): void => {
    const target = event.target as Element;
    if (event.ctrlKey || event.altKey || event.metaKey || target.closest("dialog")) return;
    if (root.contains(target) ? target.matches(TYPED_INTO) : target !== document.body || active !== root) return;
    if (event.key === " " && target.matches("button, a, summary")) return;
    if (!event.shiftKey && event.key.startsWith("Arrow") && target.closest("[data-steps]")) return;
    const changes = pressed(event, store.get(), scene());
    if (event.key === " ") player.toggle(event.shiftKey ? "products" : "outputs");
    else if (event.key === "?") list();
    else if (changes) store.set(changes);
    else return;
    event.preventDefault();
    event.stopPropagation(); // a notebook has its own use of arrows
  };
  active ??= root;
  root.addEventListener("pointerenter", use);
  root.addEventListener("focusin", use);
  document.addEventListener("keydown", heard, true);
  return () => {
    document.removeEventListener("keydown", heard, true);
    if (active === root) active = null;
  };
}

let active: HTMLElement | null = null;

function pressed(event: KeyboardEvent, state: State, scene: Scene): Partial<State> | null {
  const held: Partial<State> = { pinned: true, playing: false };
  const sideways = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const upright = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  const filters = { "[": -1, "]": 1, PageUp: -1, PageDown: 1 }[event.key];
  if (event.key === "Escape") return { pinned: false, playing: false, focus: outputOf(state.focus) };
  if (sideways && !event.shiftKey) return { ...stepOutput(scene, state, sideways), ...held };
  if (upright && !event.shiftKey) return { ...stepOutput(scene, state, upright * scene.axes[1].outputSize), ...held };
  const output = outputOf(state.focus);
  const { k } = gemm(scene.problem);
  const taps = (by: number): Partial<State> => {
    const from = output.tap ?? (by > 0 ? -1 : 0);
    return { focus: { ...output, tap: modulo(from + by, k) }, ...held };
  };
  if (sideways) return taps(sideways);
  if (upright) return taps(upright * scene.problem.kernelSize[1]);
  if (filters) return { focus: { ...output, filter: modulo(output.filter + filters, scene.problem.outChannels) }, ...held };
  return null;
}

// Playing and scrubbing: the window walks over the outputs of one filter, forwards or back. From the first output on,
// each appears when the window reaches it. The sum of one output is played product by product.

import { html } from "../drawing/dom";
import { modulo } from "../model/arithmetic";
import { outputAtPosition, outputOf, positionOf } from "../model/focus";
import { gemm } from "../model/problem";
import { SPEEDS } from "../model/state";
import type { Played, State, Store } from "../model/state";
import type { Scene } from "../numerics/scene";

const OUTPUTS_PER_SECOND = 6;
const PRODUCTS_PER_SECOND = 2.5;
const SUM_SECONDS = 12; // at most, at normal speed, for the sum of one output

/** The output `by` further on in a filter, around from the last to the first. */
export function stepOutput(scene: Scene, state: State, by: number): Partial<State> {
  const focus = outputOf(state.focus);
  const position = modulo(positionOf(scene.original, focus) + by, scene.positions);
  return { focus: outputAtPosition(scene.original, focus.filter, position) };
}

/** The state one product on or back; after the last one the sum is complete, before the first one there is none. */
export function nextProduct(scene: Scene, state: State, by: number): Partial<State> | null {
  const focus = outputOf(state.focus);
  const { k } = gemm(scene.problem);
  const tap = (focus.tap ?? (by > 0 ? -1 : k)) + by;
  if (tap < 0) return null;
  return { focus: { ...focus, tap: tap < k ? tap : null } };
}

export interface Player {
  readonly element: HTMLElement;
  show(state: State, scene: Scene): void;
  toggle(what: Played): void;
  stop(): void;
}

/** still: the reader asked for reduced motion, so playing is one step at a time. */
export function player(store: Store, scene: () => Scene, still: boolean): Player {
  const play = html("button", { type: "button", class: "play", title: still ? "one step (Space)" : "play (Space)" });
  const sum = html("button", { type: "button", class: "play-sum", title: still ? "the next product of this output’s sum (Shift + Space)" : "play the sum of this output, product by product (Shift + Space)" }, "Σ");
  const back = html("button", { type: "button", "aria-label": "one output back", title: "one output back (←)" }, "‹");
  const forward = html("button", { type: "button", "aria-label": "one output on", title: "one output on (→)" }, "›");
  const scrubber = html("input", { type: "range", min: 0, step: 1, class: "scrubber", "aria-label": "output position", title: "the output: ← → one further, ↑ ↓ one row, [ ] another filter" });
  const place = html("output", { class: "place" });
  const speed = html("select", { "aria-label": "speed" });
  for (const times of [...SPEEDS.map((each) => -each).reverse(), ...SPEEDS]) {
    speed.append(html("option", { value: times }, `${times < 0 ? "◂ " : ""}${Math.abs(times)} ×`));
  }
  let frame = 0;
  let last = 0;
  let owed = 0; // outputs to step, with a fraction

  const walk = (now: number): void => {
    frame = requestAnimationFrame(walk);
    const state = store.get();
    const perSecond = state.playing === "products" ? Math.max(PRODUCTS_PER_SECOND, gemm(scene().problem).k / SUM_SECONDS) : OUTPUTS_PER_SECOND;
    owed += ((now - last) / 1000) * perSecond * state.speed;
    last = now;
    const whole = Math.trunc(owed);
    if (!whole) return;
    owed -= whole;
    if (state.playing === "products") walkSum(state, whole);
    else walkOutputs(state, whole);
  };
  const walkOutputs = (state: State, by: number): void => {
    const reached = positionOf(state.problem, outputOf(state.focus)) + by;
    const finished = reached < 0 || reached >= scene().positions;
    store.set({ ...stepOutput(scene(), state, by), ...(finished ? { revealed: null } : {}) });
  };
  const walkSum = (state: State, by: number): void => {
    const next = nextProduct(scene(), state, by);
    const complete = !next || outputOf(next.focus ?? state.focus).tap === null;
    store.set({ ...(next ?? { focus: { ...outputOf(state.focus), tap: null } }), ...(complete ? { playing: false } : {}) });
  };
  const toggle = (what: Played): void => {
    const state = store.get();
    const focus = outputOf(state.focus);
    const forwards = state.speed > 0;
    if (still && what === "products") store.set({ ...nextProduct(scene(), state, Math.sign(state.speed)), pinned: true });
    else if (still) store.set({ ...stepOutput(scene(), state, Math.sign(state.speed)), pinned: true });
    else if (state.playing === what) store.set({ playing: false });
    else if (what === "products") store.set({ playing: what, pinned: true, focus: { ...focus, tap: forwards ? 0 : gemm(scene().problem).k - 1 } });
    else {
      const appear = forwards && positionOf(state.problem, focus) === 0;
      store.set({ playing: what, pinned: false, focus: { ...focus, tap: null }, revealed: appear ? 0 : null });
    }
  };
  const step = (by: number): void => store.set({ ...stepOutput(scene(), store.get(), by), pinned: true, playing: false });

  play.addEventListener("click", () => toggle("outputs"));
  sum.addEventListener("click", () => toggle("products"));
  back.addEventListener("click", () => step(-1));
  forward.addEventListener("click", () => step(1));
  speed.addEventListener("change", () => store.set({ speed: Number(speed.value) }));
  scrubber.addEventListener("input", () => {
    const { filter } = outputOf(store.get().focus);
    store.set({ focus: outputAtPosition(scene().original, filter, Number(scrubber.value)), pinned: true, playing: false });
  });

  return {
    element: html("div", { class: "player", role: "group", "aria-label": "player" }, back, play, forward, sum, scrubber, place, speed),
    show: (state, shown) => {
      const { row, column } = outputOf(state.focus);
      const at = row * shown.axes[1].outputSize + column;
      scrubber.max = String(shown.positions - 1);
      scrubber.value = String(at);
      scrubber.style.setProperty("--filled", `${(100 * at) / Math.max(1, shown.positions - 1)}%`);
      scrubber.setAttribute("aria-valuetext", `row ${row}, column ${column}`);
      place.textContent = `${at + 1} / ${shown.positions}`;
      speed.value = String(state.speed);
      play.textContent = state.playing === "outputs" ? "❚❚" : "▶";
      play.setAttribute("aria-label", state.playing === "outputs" ? "pause" : still ? "one step" : "play");
      sum.textContent = state.playing === "products" ? "❚❚" : "Σ";
      sum.setAttribute("aria-label", state.playing === "products" ? "pause the sum" : still ? "one product" : "play the sum");
      if (!state.playing && state.revealed !== null) store.set({ revealed: null }); // a run that was stopped shows all
      if (Boolean(state.playing) === Boolean(frame)) return;
      cancelAnimationFrame(frame);
      frame = 0;
      last = performance.now();
      owed = 0;
      if (state.playing) frame = requestAnimationFrame(walk);
    },
    toggle,
    stop: () => cancelAnimationFrame(frame),
  };
}

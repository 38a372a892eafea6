// Playing and scrubbing: the window walks over the outputs of one filter, forwards or back.

import { html } from "../drawing/dom";
import { modulo } from "../model/arithmetic";
import { outputAt, outputOf } from "../model/focus";
import { SPEEDS } from "../model/state";
import type { State, Store } from "../model/state";
import type { Scene } from "../numerics/scene";

const OUTPUTS_PER_SECOND = 6;

/** The output `by` further on in a filter, around from the last to the first. */
export function stepOutput(scene: Scene, state: State, by: number): Partial<State> {
  const { filter, row, column } = outputOf(state.focus);
  const wide = scene.axes[1].outputSize;
  const place = modulo(row * wide + column + by, scene.positions);
  return { focus: outputAt(filter, Math.floor(place / wide), place % wide) };
}

export interface Player {
  readonly element: HTMLElement;
  show(state: State, scene: Scene): void;
  toggle(): void;
  stop(): void;
}

/** still: the reader asked for reduced motion, so playing is one step at a time. */
export function player(store: Store, scene: () => Scene, still: boolean): Player {
  const play = html("button", { type: "button", class: "play", title: still ? "one step (Space)" : "play (Space)" });
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
    owed += ((now - last) / 1000) * OUTPUTS_PER_SECOND * state.speed;
    last = now;
    const whole = Math.trunc(owed);
    if (!whole) return;
    owed -= whole;
    store.set(stepOutput(scene(), state, whole));
  };
  const toggle = (): void => {
    const state = store.get();
    if (still) store.set({ ...stepOutput(scene(), state, Math.sign(state.speed)), pinned: true });
    else store.set({ playing: !state.playing, pinned: false });
  };
  const step = (by: number): void => store.set({ ...stepOutput(scene(), store.get(), by), pinned: true, playing: false });

  play.addEventListener("click", toggle);
  back.addEventListener("click", () => step(-1));
  forward.addEventListener("click", () => step(1));
  speed.addEventListener("change", () => store.set({ speed: Number(speed.value) }));
  scrubber.addEventListener("input", () => {
    const { filter } = outputOf(store.get().focus);
    const wide = scene().axes[1].outputSize;
    const at = Number(scrubber.value);
    store.set({ focus: outputAt(filter, Math.floor(at / wide), at % wide), pinned: true, playing: false });
  });

  return {
    element: html("div", { class: "player", role: "group", "aria-label": "player" }, back, play, forward, scrubber, place, speed),
    show: (state, shown) => {
      const { row, column } = outputOf(state.focus);
      const at = row * shown.axes[1].outputSize + column;
      scrubber.max = String(shown.positions - 1);
      scrubber.value = String(at);
      scrubber.style.setProperty("--filled", `${(100 * at) / Math.max(1, shown.positions - 1)}%`);
      scrubber.setAttribute("aria-valuetext", `row ${row}, column ${column}`);
      place.textContent = `${at + 1} / ${shown.positions}`;
      speed.value = String(state.speed);
      play.textContent = state.playing ? "❚❚" : "▶";
      play.setAttribute("aria-label", state.playing ? "pause" : still ? "one step" : "play");
      if (state.playing === Boolean(frame)) return;
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

// The guided beginning: what a convolution computes, in a few steps of one sentence, each drawn with the explorer's own panes.

import { applyTheme, themeOf } from "../drawing/colour";
import { html } from "../drawing/dom";
import { Magnifier } from "../drawing/magnifier";
import { onScheme } from "../drawing/scheme";
import { clamp } from "../model/arithmetic";
import { outputOf, positionOf } from "../model/focus";
import type { Model } from "../model/report";
import { reportSource } from "../model/report";
import { parse } from "../model/shorthand";
import type { Source } from "../model/source";
import { initialState, Store } from "../model/state";
import type { State } from "../model/state";
import { describe, Scene } from "../numerics/scene";
import type { Context } from "../panes/context";
import { arrange } from "./arrangement";
import { equation } from "./equation";
import style from "../style.css";
import guideStyle from "./guide.css";
import { keys } from "./keys";
import { Playing } from "./playing";
import { sourceOf, stepsOf } from "./steps";
import type { Step } from "./steps";

/** The number of the step that an address names, from 1; 0 where it names none, null where it is not the guide's. */
export function stepInAddress(hash: string): number | null {
  const found = /^#guide(?:=(\d{1,3}))?$/.exec(hash);
  return found ? Number(found[1] ?? 0) : null;
}

const MARGIN = 3; // pixels around the drawing, for the marks at its edge

export class Guide {
  private readonly root = html("div", { class: "glassconv guide" });
  private readonly stage = html("div", { class: "stage" });
  private readonly sentence = html("p", { class: "lesson", role: "status" });
  private readonly equation = html("section", { class: "numbers", "aria-label": "equation" });
  private readonly list = html("ol", { class: "steps" });
  private readonly magnifier = new Magnifier();
  private readonly own: Source;
  private readonly steps: readonly Step[];
  private readonly store: Store;
  private readonly playing: Playing;
  private readonly still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  private readonly cleanups: (() => void)[] = [];
  private readonly back = html("button", { type: "button", title: "previous step (Page Up)" }, "‹ Back");
  private readonly next = html("button", { type: "button", class: "next", title: "next step (Page Down)" }, "Next ›");
  private readonly playOutputs = html("button", { type: "button", class: "play" });
  private readonly playProducts = html("button", { type: "button", class: "play-products" });
  private readonly place = html("output", { class: "place" });
  private scene: Scene;
  private step = 0;
  private listeners: ((state: State) => void)[] = [];
  private size = ""; // of the stage when it was drawn

  /** step: its number, from 1; leave: opens the explorer. */
  constructor(
    private readonly model: Model,
    private readonly host: HTMLElement,
    step: number,
    private readonly leave: () => void,
  ) {
    this.own = reportSource(model.get("report") ?? {});
    this.steps = stepsOf(this.own);
    this.store = new Store(this.firstState());
    this.scene = this.sceneOf(this.store.get());
    this.playing = new Playing(this.store, () => this.scene, this.still, () => this.showPlace());
    this.build();
    this.listen();
    this.open(step);
  }

  remove(): void {
    for (const cleanup of this.cleanups) cleanup();
    this.playing.stop();
    this.store.stop();
    this.root.remove();
  }

  /** Opens a step, of which the first output is there already. */
  open(step: number): void {
    this.playing.stop();
    this.step = clamp(step, 1, this.steps.length) - 1;
    const { problem, start, complete = false } = this.steps[this.step];
    const source = sourceOf(this.steps[this.step], this.own);
    this.store.set({ problem: parse(problem), source, focus: start, revealed: complete ? null : 0 });
    this.scene = this.sceneOf(this.store.get());
    this.showStep();
    this.draw();
  }

  private firstState(): State {
    const [first] = this.steps;
    return {
      ...initialState(parse(first.problem), sourceOf(first, this.own)),
      focus: first.start,
      pinned: true, // the pointer does not move the window; a click does
      theme: this.model.get("theme") ?? "auto",
      revealed: 0,
    };
  }

  private sceneOf({ problem, source }: State): Scene {
    return new Scene(problem, source, source.problem ?? "");
  }

  private build(): void {
    const { links = [] } = this.model.get("report")?.guide ?? {};
    const theme = html("button", { type: "button", "aria-label": "theme", title: "dark, light" }, "◐");
    theme.addEventListener("click", () => {
      this.store.set({ theme: themeOf(this.store.get().theme).name === "dark" ? "light" : "dark" });
      this.draw();
    });
    const skip = html("button", { type: "button", class: "skip", "aria-label": "Skip the introduction" }, "Skip", html("span", { class: "rest-of-name" }, " the introduction"));
    skip.addEventListener("click", this.leave);
    const about = html("nav", { "aria-label": "site" }, ...links.map(({ label, href }) => html("a", { href, target: "_top" }, label)), skip, theme);
    for (const [place, { name }] of this.steps.entries()) {
      const link = html("a", { href: `#guide=${place + 1}`, title: name }, html("span", { class: "step" }, String(place + 1)), html("span", { class: "step-name" }, name));
      this.list.append(html("li", {}, link));
    }
    this.back.addEventListener("click", () => this.go(-1));
    this.next.addEventListener("click", () => this.go(1));
    this.playOutputs.addEventListener("click", () => this.playing.toggle("outputs"));
    this.playProducts.addEventListener("click", () => this.playing.toggle("products"));
    const title = html("div", { class: "title" }, html("h1", {}, "Convolution you can see through"), html("p", {}, "Every window, every product, every sum."));
    this.root.append(
      html("style", {}, style, guideStyle),
      html("header", {}, title, about),
      html("nav", { class: "path", "aria-label": "steps" }, this.list),
      this.sentence,
      this.stage,
      this.equation,
      html("div", { class: "controls", role: "group", "aria-label": "player" }, this.back, this.playOutputs, this.playProducts, this.place, this.next),
      this.magnifier.element,
    );
    this.host.append(this.root);
  }

  private listen(): void {
    this.cleanups.push(this.store.subscribe((state) => this.show(state)));
    this.cleanups.push(
      keys(this.root, {
        store: this.store,
        scene: () => this.scene,
        stopPlaying: () => this.playing.stop(),
        play: () => this.playing.toggle("outputs"),
        step: (by) => this.go(by),
      }),
    );
    const resized = new ResizeObserver(() => {
      if (this.sizeOfStage() !== this.size) this.draw();
    });
    resized.observe(this.stage);
    this.cleanups.push(() => resized.disconnect());
    this.cleanups.push(onScheme(() => this.draw()));
  }

  /** Goes to another step, through the address; after the last one the explorer opens. */
  private go(by: number): void {
    const step = this.step + 1 + by;
    if (step > this.steps.length) this.leave();
    else if (step >= 1) location.hash = `guide=${step}`;
  }

  private showStep(): void {
    const { sentence } = this.steps[this.step];
    const last = this.step === this.steps.length - 1;
    this.sentence.textContent = sentence;
    this.root.setAttribute("aria-label", describe(this.scene));
    for (const [place, item] of [...this.list.children].entries()) {
      const link = item.firstElementChild as HTMLElement;
      if (place === this.step) link.setAttribute("aria-current", "step");
      else link.removeAttribute("aria-current");
    }
    this.back.disabled = this.step === 0;
    this.next.textContent = last ? "Explorer ›" : "Next ›";
  }

  private draw(): void {
    const state = this.store.get();
    const theme = themeOf(state.theme);
    applyTheme(this.root, theme);
    this.magnifier.hide();
    const focused = this.grids().findIndex((grid) => grid === document.activeElement);
    this.showNumbers(state);
    this.stage.replaceChildren();
    this.stage.removeAttribute("style");
    this.stage.dataset.view = this.steps[this.step].view;
    this.size = this.sizeOfStage();
    this.listeners = [];
    if (this.stage.clientWidth === 0) return;
    const context: Context = {
      store: this.store,
      scene: this.scene,
      theme,
      stage: this.stage,
      room: { width: this.stage.clientWidth - 2 * MARGIN, height: this.stage.clientHeight - 2 * MARGIN },
      magnifier: this.magnifier,
      editor: null,
      choice: "",
      still: this.still,
      onState: (listener) => {
        this.listeners.push(listener);
        listener(this.store.get());
      },
      onNumbers: () => undefined, // the scene is small: it is complete from the start
      redraw: () => this.draw(),
    };
    arrange(context, this.steps[this.step].view);
    this.grids()[focused]?.focus({ preventScroll: true });
  }

  private sizeOfStage(): string {
    return `${this.stage.clientWidth} × ${this.stage.clientHeight}`;
  }

  private grids(): HTMLElement[] {
    return [...this.stage.querySelectorAll<HTMLElement>(".grid")];
  }

  private show(state: State): void {
    for (const listener of this.listeners) listener(state);
    this.showNumbers(state);
  }

  private showNumbers(state: State): void {
    const term = document.activeElement?.getAttribute("data-k") ?? null;
    this.equation.replaceChildren(equation(this.scene, state, this.store));
    if (term !== null) this.equation.querySelector<HTMLElement>(`[data-k="${term}"]`)?.focus({ preventScroll: true });
    this.showPlace();
  }

  private showPlace(): void {
    const { what } = this.playing;
    this.place.textContent = `output ${positionOf(this.scene.original, outputOf(this.store.get().focus)) + 1} of ${this.scene.positions}`;
    this.playOutputs.textContent = what === "outputs" ? "❚❚ Pause" : this.still ? "▶ Next output" : "▶ Play";
    this.playOutputs.title = "play the outputs (Space)";
    this.playProducts.textContent = what === "products" ? "❚❚ Pause" : this.still ? "Next product" : "Play this sum";
    this.playProducts.title = "play the sum of this output, product by product (Shift and → for one product)";
  }
}

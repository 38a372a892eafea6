// The explorer in one element: holds the state, redraws what a new state changes, and removes itself.

import { applyTheme, themeOf } from "./drawing/colour";
import { html } from "./drawing/dom";
import { png, save, stageSvg, text } from "./drawing/export";
import { Magnifier } from "./drawing/magnifier";
import { onScheme } from "./drawing/scheme";
import { header } from "./header";
import type { Header } from "./header";
import embedStyle from "./panes/embed.css";
import { keyHint, keyList } from "./panes/key_list";
import keyListStyle from "./panes/key_list.css";
import { keys } from "./keys";
import { fromHash, numbersFromHash, toHash } from "./model/address";
import { clamp } from "./model/arithmetic";
import { TUTORIAL_PROBLEM } from "./model/constants";
import { withoutPixelEdits } from "./model/edits";
import { outputAt, outputOf } from "./model/focus";
import { PRESETS, presetSource } from "./model/presets";
import { bytes, convolutionOf, inputShape } from "./model/problem";
import type { Layer } from "./model/layers";
import type { Problem } from "./model/problem";
import { pytorchCode } from "./model/pytorch_code";
import { reportLayers, reportSource } from "./model/report";
import type { Model } from "./model/report";
import { format, parse } from "./model/shorthand";
import type { Source } from "./model/source";
import { initialState, Store } from "./model/state";
import type { State } from "./model/state";
import { MODES } from "./modes";
import groupStyle from "./modes/groups.css";
import { chosenName } from "./modes/mode";
import { isRead } from "./numerics/arrays";
import { Computing } from "./numerics/computing";
import { read } from "./numerics/image_file";
import { describe, describeInput, Scene } from "./numerics/scene";
import type { Context } from "./panes/context";
import { controls } from "./panes/controls";
import controlsStyle from "./panes/controls.css";
import { costs } from "./panes/costs";
import { Editor } from "./panes/editor";
import numbersStyle from "./panes/numbers.css";
import { numbersPanel, placesOfProduct } from "./panes/numbers_panel";
import type { NumbersPanel } from "./panes/numbers_panel";
import { captionPanes } from "./panes/pane_captions";
import captionStyle from "./panes/pane_captions.css";
import { LayerStrip } from "./panes/layer_strip";
import stripStyle from "./panes/layer_strip.css";
import { player } from "./panes/player";
import type { Player } from "./panes/player";
import { sentence } from "./panes/sentence";
import { Strip, withNumbers } from "./panes/strip_actions";
import { keepTermInView, onNumberOpened, replaceTerms } from "./panes/term";
import baseStyle from "./style.css";

const STYLE = [baseStyle, controlsStyle, numbersStyle, groupStyle, captionStyle, stripStyle, keyListStyle, embedStyle].join("\n");

const MOST_BYTES = 512e6; // of all arrays of a problem that the page takes on
const BROWSER_BAR = 120; // pixels that a telephone's browser takes and gives while its page is scrolled
const PANE_TEXT = 86; // pixels of the titles, captions and notes of a pane
const LEAST_PANE = 100; // pixels, which a pane's grid is at least high
const EMBEDDED_PANE_TEXT = 40; // pixels, without captions and notes
const REST = 250; // milliseconds without a change, after which the address is updated

export class Explorer {
  private readonly root = html("div", { class: "glassconv" });
  private readonly stage = html("div", { class: "stage" });
  private readonly sentence = html("section", { class: "sentence", tabindex: 0, "aria-label": "equation", "aria-live": "off" });
  private readonly dock = html("div", { class: "dock" }); // the equation and the player, always in view
  private readonly costs = html("section", { class: "side-part", "aria-label": "costs" });
  private readonly magnifier = new Magnifier();
  private readonly editor: Editor;
  private readonly numbersPanel: NumbersPanel;
  private readonly store: Store;
  private readonly reportNumbers: Source;
  private readonly reportLayers: readonly Layer[];
  private readonly strip: Strip;
  private readonly layerStrip: LayerStrip;
  private readonly header: Header;
  private readonly keyList = keyList();
  private readonly embedded: boolean; // in another page: without header and side
  private readonly controls: ReturnType<typeof controls>;
  private readonly player: Player;
  private readonly computing: Computing;
  private readonly reducedMotion = matchMedia("(prefers-reduced-motion: reduce)").matches;
  private readonly cleanups: (() => void)[] = [];
  private scene: Scene;
  private userImage: Pick<Source, "name" | "resampled" | "photograph" | "input"> | null = null; // the reader's own image
  private drawn: { leave(): void; listeners: ((state: State) => void)[]; numbers: (() => void)[] } | null = null;
  private width = 0; // of the stage when it was drawn
  private height = 0; // of the window when it was drawn
  private addressTimer = 0;

  constructor(
    private readonly model: Model,
    private readonly host: HTMLElement,
  ) {
    const report = model.get("report") ?? {};
    this.embedded = model.get("page") === true && new URLSearchParams(location.search).has("embed");
    this.reportNumbers = reportSource(report);
    this.reportLayers = reportLayers(report);
    this.store = new Store(this.firstState(report.problem ?? TUTORIAL_PROBLEM, report.mode));
    const { problem, source } = this.store.get();
    this.scene = this.sceneOf(problem, source);
    this.controls = controls(this.store);
    this.editor = new Editor(this.store);
    this.numbersPanel = numbersPanel(this.store);
    this.player = player(this.store, () => this.scene, this.reducedMotion);
    this.strip = new Strip(this.store, () => this.scene);
    this.layerStrip = new LayerStrip(this.strip);
    this.header = header(this.events(), this.layerStrip.element, this.model.get("page") === true, report.guide !== undefined);
    this.computing = new Computing(
      model,
      this.stage,
      () => this.scene,
      () => this.numbersChanged(),
      (text) => this.header.showStatus(text),
    );
    this.build();
    this.listen();
    this.show(this.store.get(), null);
  }

  remove(): void {
    for (const cleanup of this.cleanups) cleanup();
    this.drawn?.leave();
    this.player.stop();
    this.store.stop();
    this.computing.stop();
    clearTimeout(this.addressTimer);
    this.root.remove();
  }

  private firstState(text: string, mode: string | undefined): State {
    const state: State = {
      ...initialState(parse(text), this.reportNumbers),
      preset: text === TUTORIAL_PROBLEM ? "tutorial" : "",
      mode: mode ?? MODES[0].name,
      theme: this.model.get("theme") ?? "auto",
      layers: this.reportLayers,
    };
    return this.model.get("page") ? this.restored(state, location.hash) : state;
  }

  /** The report's numbers, with the reader's image in place of the input where there is one. */
  private get baseSource(): Source {
    return this.userImage ? { ...this.reportNumbers, ...this.userImage, output: undefined } : this.reportNumbers;
  }

  /** The numbers that a problem opens with: the reader's image, the page's own, or whole ones for a small problem. */
  private sourceFor(problem: Problem): Source {
    const own = this.baseSource.input?.shape.join() === inputShape(problem).join();
    if (this.userImage || own || !isRead(problem)) return this.baseSource;
    return { ...this.baseSource, resampled: false, photograph: false, input: undefined };
  }

  private restored(state: State, hash: string): State {
    const fromAddress = fromHash(hash);
    const preset = PRESETS.find(({ name }) => name === fromAddress.preset);
    const source = preset ? presetSource(preset, this.baseSource) : this.sourceFor(fromAddress.problem ?? state.problem);
    const { explanation, ...numbers } = numbersFromHash(hash, fromAddress.problem ?? state.problem);
    const restored = withNumbers({ ...state, preset: "", choice: "", explanation, ...fromAddress, source }, preset?.layers?.() ?? this.reportLayers);
    return { ...restored, source: { ...restored.source, ...numbers } };
  }

  private build(): void {
    const side = html("aside", { class: "side", "aria-label": "layer" }, this.controls.element, this.numbersPanel.element, this.costs);
    this.dock.append(this.sentence, this.player.element);
    const main = html("div", { class: "main" }, this.stage, keyHint(), this.dock);
    this.root.classList.toggle("page", this.model.get("page") === true);
    this.root.append(html("style", {}, STYLE), this.header.element, html("div", { class: "body" }, main, side), this.magnifier.element, this.keyList);
    this.root.classList.toggle("embed", this.embedded);
    this.host.append(this.root);
  }

  private listen(): void {
    this.cleanups.push(this.store.subscribe((state, before) => this.show(state, before)));
    this.cleanups.push(keys(this.root, this.store, () => this.scene, this.player, () => this.keyList.showModal()));
    onNumberOpened(this.sentence, (tap, array) => this.editNumber(tap, array));
    const resized = new ResizeObserver(() => {
      if (this.stage.clientWidth !== this.width) this.draw(); // also where nothing had a size yet
    });
    resized.observe(this.stage);
    this.cleanups.push(() => resized.disconnect());
    const windowResized = (): void => {
      if (Math.abs(innerHeight - this.height) > BROWSER_BAR) this.draw();
    };
    addEventListener("resize", windowResized);
    this.cleanups.push(() => removeEventListener("resize", windowResized));
    this.cleanups.push(onScheme(() => this.draw()));
    if (this.model.get("page")) {
      const restoreAddress = (): void => {
        if (location.hash !== toHash(this.store.get())) this.store.set(this.restored(this.store.get(), location.hash));
      };
      addEventListener("hashchange", restoreAddress);
      this.cleanups.push(() => removeEventListener("hashchange", restoreAddress));
    }
    this.root.addEventListener("dragover", (event) => event.preventDefault());
    this.root.addEventListener("drop", (event) => {
      event.preventDefault();
      const [file] = event.dataTransfer?.files ?? [];
      if (file) void this.openImage(file);
    });
  }

  /** Draws what a new state changes, and only that. */
  private show(state: State, before: State | null): void {
    const newProblem = !before || before.problem !== state.problem || before.source !== state.source;
    if (newProblem) {
      if (before && before.error === state.error && state.error) this.store.set({ error: "" }); // another problem is drawn since
      if (before) this.scene = this.sceneOf(state.problem, state.source);
      this.root.setAttribute("aria-label", describe(this.scene));
    }
    if (!before || before.error !== state.error) this.header.showError(state.error);
    if (newProblem || before.explanation !== state.explanation) this.controls.show(state.problem, state.explanation);
    if (newProblem || before.counting !== state.counting) this.costs.replaceChildren(costs(state.problem, this.store));
    const newMode = newProblem || before.mode !== state.mode || before.choice !== state.choice;
    if (newMode || before.preset !== state.preset) this.header.show(state);
    if (newProblem) this.strip.follow();
    if (newProblem || before.theme !== state.theme || before.layers !== state.layers) this.layerStrip.show(this.strip.chain(), state, themeOf(state.theme));
    else this.layerStrip.follow(state);
    if (newMode || before.theme !== state.theme) this.draw();
    else for (const listener of this.drawn?.listeners ?? []) listener(state);
    this.root.classList.toggle("pinned", state.pinned);
    this.player.show(state, this.scene);
    this.showSentence(state);
    this.numbersPanel.show(state, this.scene);
    this.updateAddress();
    if (newProblem) this.computing.start();
  }

  /** Redraws the mode: for another problem, mode, theme or width. */
  private draw(): void {
    const state = this.store.get();
    const theme = themeOf(state.theme);
    applyTheme(this.root, theme);
    this.drawn?.leave();
    this.magnifier.hide();
    const focused = this.grids().findIndex((grid) => grid === document.activeElement);
    this.stage.replaceChildren();
    this.stage.removeAttribute("style");
    this.width = this.stage.clientWidth;
    this.height = innerHeight;
    this.root.style.setProperty("--header", `${this.stage.offsetTop}px`);
    const wanted = MODES.find(({ name }) => name === state.mode) ?? MODES[0];
    const choice = chosenName(wanted, state.choice);
    const refusal = wanted.refusal?.(this.scene.problem, choice) ?? null;
    const mode = this.width && refusal === null ? wanted : null;
    const listeners: ((state: State) => void)[] = [];
    const numbers: (() => void)[] = [];
    const context: Context = {
      store: this.store,
      scene: this.scene,
      theme,
      stage: this.stage,
      room: { width: this.width, height: clamp((innerHeight - this.stage.offsetTop - this.dock.offsetHeight) / 2 - (this.embedded ? EMBEDDED_PANE_TEXT : PANE_TEXT), this.embedded ? 60 : LEAST_PANE, 900) },
      magnifier: this.magnifier,
      editor: this.editor,
      choice,
      still: this.reducedMotion,
      onState: (listener) => {
        listeners.push(listener);
        listener(this.store.get());
      },
      onNumbers: (listener) => numbers.push(listener),
      redraw: () => this.draw(),
    };
    const before = this.stage.dataset.mode;
    this.stage.dataset.mode = wanted.name;
    if (refusal !== null) this.stage.append(html("p", { class: "refusal" }, refusal));
    this.drawn = { leave: mode?.render(context) ?? (() => undefined), listeners, numbers };
    captionPanes(this.stage, wanted.captions);
    if (focused >= 0 && wanted.name === before) this.grids()[focused]?.focus({ preventScroll: true });
    this.editor.resume();
  }

  /** The stage's grids, which take the keyboard's focus. */
  private grids(): HTMLElement[] {
    return [...this.stage.querySelectorAll<HTMLElement>(".grid")];
  }

  private showSentence(state: State): void {
    const mode = MODES.find(({ name }) => name === state.mode);
    const node = mode?.sentence?.(this.scene, state, this.store) ?? sentence(this.scene, state.focus, this.store);
    replaceTerms(this.sentence, node);
    if (state.focus.kind === "output" && state.focus.tap !== null) keepTermInView(this.sentence);
    else this.sentence.scrollTop = 0;
  }

  /** Edits a number of a product on its cell. */
  private editNumber(tap: number, array: "x" | "w"): void {
    const focus = outputOf(this.store.get().focus);
    const place = placesOfProduct(this.scene, focus, tap)[array];
    this.store.set({ focus: { ...focus, tap }, pinned: true, playing: false });
    if (place) this.editor.openNumber(place);
    else this.header.showStatus("this zero is not a number of the layer");
  }

  private numbersChanged(): void {
    for (const listener of this.drawn?.numbers ?? []) listener();
    this.showSentence(this.store.get());
  }

  private sceneOf(problem: Problem, source: Source): Scene {
    return new Scene(problem, source, format({ ...problem, same: false }));
  }

  /** Keeps the address up to date, but not at every frame: browsers are slow at that. */
  private updateAddress(): void {
    clearTimeout(this.addressTimer);
    if (!this.model.get("page")) return;
    this.addressTimer = window.setTimeout(() => {
      try {
        history.replaceState(null, "", toHash(this.store.get()));
      } catch {
        // a page inside a frame of another origin has no address of its own
      }
    }, REST);
  }

  private events(): Parameters<typeof header>[0] {
    const { store } = this;
    return {
      problem: (written) => this.openProblem(written, ""),
      layer: () => this.layerStrip.startAdding(),
      preset: (name) => this.openPreset(name),
      mode: (mode) => store.set({ mode, choice: "" }),
      choice: (choice) => store.set({ choice }),
      image: (file) => void this.openImage(file),
      theme: () => store.set({ theme: themeOf(store.get().theme).name === "dark" ? "light" : "dark" }),
      link: () => void this.copy(`${location.href.split("#")[0]}${toHash(store.get())}`, this.userImage ? "link, without your image," : "link"),
      code: () => void this.copy(pytorchCode(this.scene.original, this.scene.originalOperands, describeInput(this.scene)), "PyTorch code"),
      svg: () => save(`glassconv-${store.get().mode}.svg`, new Blob([text(this.drawing())], { type: "image/svg+xml" })),
      keys: () => this.keyList.showModal(),
      png: () =>
        void png(this.drawing())
          .then((picture) => save(`glassconv-${store.get().mode}.png`, picture))
          .catch((error: Error) => this.header.showStatus(error.message)),
    };
  }

  /** The stage as an image, with what it shows in words. */
  private drawing(): SVGSVGElement {
    const { mode, problem } = this.store.get();
    const title = MODES.find(({ name }) => name === mode)?.label ?? "";
    return stageSvg(this.stage, { title, problem: format(problem), equation: this.sentence.querySelector(".equation") });
  }

  private openProblem(written: string, preset: string): void {
    try {
      const problem = parse(written);
      const size = bytes(problem);
      const total = size.input + size.weight + size.output + bytes(convolutionOf(problem)).input;
      if (total > MOST_BYTES) throw new Error(`its arrays take ${Math.round(total / 1e6)} MB, more than this page’s limit of ${MOST_BYTES / 1e6} MB`);
      const { layer, source, preset: opened } = this.store.get();
      this.store.set({ problem, ...(layer ? { source, preset: opened } : { source: this.sourceFor(problem), preset }), explanation: "", error: "", focus: outputAt(0, 0, 0), playing: false });
    } catch (error) {
      this.store.set({ error: `${written}: ${(error as Error).message}` });
    }
  }

  private openPreset(name: string): void {
    const preset = PRESETS.find((each) => each.name === name);
    if (!preset) return;
    const source = presetSource(preset, this.baseSource);
    const state = { layers: preset.layers?.() ?? [], layer: 0, first: null, preset: name, explanation: "", error: "", focus: preset.focus ?? outputAt(0, 0, 0) };
    this.store.set({ ...state, problem: parse(preset.problem), source, pinned: false, playing: false });
  }

  private async openImage(file: File): Promise<void> {
    try {
      const input = await read(file);
      if (this.store.get().layer > 0) this.strip.open(0);
      const { source } = this.store.get();
      this.userImage = { name: file.name, resampled: true, photograph: true, input };
      this.store.set({ source: withoutPixelEdits({ ...source, ...this.userImage, output: undefined }) });
      this.header.showStatus(`${file.name} stays in this page`);
    } catch {
      this.header.showStatus(`${file.name} is not an image that this browser can read`);
    }
  }

  private async copy(words: string, what: string): Promise<void> {
    try {
      await navigator.clipboard.writeText(words);
      this.header.showStatus(`${what} copied`);
    } catch {
      this.header.showStatus(words); // to be copied by hand
    }
  }
}

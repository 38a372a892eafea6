// The head of the page: the problem, the examples, the modes, and the buttons that export.

import { html, keepInView } from "./drawing/dom";
import { PRESETS } from "./model/presets";
import { convolutionOf } from "./model/problem";
import { format } from "./model/shorthand";
import type { State } from "./model/state";
import { MODE_GROUPS, MODES } from "./modes";
import { chosenName } from "./modes/mode";

export interface HeaderEvents {
  problem(text: string): void;
  preset(name: string): void;
  mode(name: string): void;
  choice(name: string): void;
  layer(): void;
  image(file: File): void;
  theme(): void;
  link(): void;
  code(): void;
  png(): void;
  svg(): void;
  keys(): void;
}

export interface Header {
  readonly element: HTMLElement;
  show(state: State): void;
  /** Says at the input line why what was typed is no problem; empty where it is one. */
  showError(text: string): void;
  /** Says what an action did, for a while. */
  showStatus(text: string): void;
}

/** page: whether the explorer has the page to itself; then its name is the page's heading. introduced: whether the page has a guide. */
export function header(events: HeaderEvents, strip: HTMLElement, page: boolean, introduced: boolean): Header {
  const shorthand = html("input", { type: "text", class: "shorthand", spellcheck: "false", autocomplete: "off", "aria-label": "problem in shorthand" });
  shorthand.addEventListener("change", () => events.problem(shorthand.value));
  const presets = html("nav", { class: "presets", "aria-label": "examples" });
  for (const { name, label, about } of PRESETS) presets.append(choice(name, label, about, () => events.preset(name)));
  const tabs = html("nav", { class: "modes", "aria-label": "modes" });
  for (const group of MODE_GROUPS) {
    const buttons = group.modes.map(({ name, label, about }) => choice(name, label, about, () => events.mode(name)));
    const named = html("span", { class: "mode-group-label", "aria-hidden": "true" }, group.label); // the group's own label says it
    tabs.append(html("div", { class: "mode-group", role: "group", "aria-label": group.label }, named, html("div", { class: "mode-tabs" }, ...buttons)));
  }
  const choices = html("nav", { class: "choices", "aria-label": "choices" });
  const about = html("p", { class: "about" });
  const status = html("span", { class: "status", role: "status" });
  const error = html("p", { class: "error", role: "alert" });
  const entry = html("div", { class: "entry" }, shorthand, error);
  let timer = 0;
  const element = html(
    "header",
    {},
    html("div", { class: "first" }, html(page ? "h1" : "h2", { class: "name" }, "glassconv"), entry, actions(events, page && introduced ? [introduction()] : []), status),
    strip,
    presets,
    html("div", { class: "second" }, tabs),
    html("div", { class: "third" }, about, choices),
  );
  return {
    element,
    show: (state) => {
      if (shorthand.getRootNode() instanceof Document && document.activeElement !== shorthand) shorthand.value = format(state.problem);
      shorthand.size = Math.max(24, shorthand.value.length);
      press(tabs, state.mode);
      const problem = convolutionOf(state.problem);
      const buttons = tabs.querySelectorAll("button");
      for (const [place, mode] of MODES.entries()) {
        const refusal = mode.refusal?.(problem, chosenName(mode, mode.name === state.mode ? state.choice : "")) ?? null;
        const tab = buttons[place];
        tab.setAttribute("aria-disabled", String(refusal !== null));
        tab.title = refusal ?? mode.about;
      }
      const first = state.layers.length ? state.layers[0].text : format(state.problem);
      const preset = PRESETS.find(({ name, problem: text }) => name === state.preset && text === first);
      press(presets, preset?.name ?? "");
      const shown = MODES.find(({ name }) => name === state.mode) ?? MODES[0];
      if (choices.dataset.mode !== shown.name) {
        choices.dataset.mode = shown.name; // replaced only for another mode, so that the pressed button keeps the keyboard's focus
        choices.hidden = !shown.choices;
        choices.replaceChildren(...(shown.choices ?? []).map(({ name, label, about }) => choice(name, label, about, () => events.choice(name))));
      }
      press(choices, chosenName(shown, state.choice));
      about.textContent = shown.about;
      if (preset && state.mode === "window") about.textContent = preset.about;
    },
    showError: (text) => {
      error.textContent = text;
      shorthand.setAttribute("aria-invalid", String(text !== ""));
    },
    showStatus: (text) => {
      status.textContent = text;
      clearTimeout(timer);
      timer = window.setTimeout(() => (status.textContent = ""), 4000);
    },
  };
}

function choice(name: string, label: string, about: string, chosen: () => void): HTMLButtonElement {
  const button = html("button", { type: "button", title: about, "aria-pressed": "false", "data-name": name }, label);
  button.addEventListener("click", chosen);
  return button;
}

const introduction = (): HTMLElement => html("a", { class: "introduction", href: "#guide" }, "Introduction");

function press(group: HTMLElement, name: string): void {
  for (const button of group.querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(button.dataset.name === name));
    if (button.dataset.name === name) keepInView(group, button);
  }
}

function actions(events: HeaderEvents, links: readonly HTMLElement[]): HTMLElement {
  const file = html("input", { type: "file", accept: "image/*", hidden: true, "aria-label": "your own image" });
  file.addEventListener("change", () => {
    const [chosen] = file.files ?? [];
    if (chosen) events.image(chosen);
    file.value = "";
  });
  const all: [string, string, () => void][] = [
    ["+ layer", "append a layer: a convolution, relu or pooling, which reads this one’s output", events.layer],
    ["Image…", "open your own image, or drop it here; it never leaves this page", () => file.click()],
    ["Link", "copy a link that restores exactly this state", events.link],
    ["PyTorch", "copy PyTorch code that computes the numbers of this page", events.code],
    ["PNG", "save the drawing as a PNG image", events.png],
    ["SVG", "save the drawing as an SVG image", events.svg],
    ["?", "the keys (?)", events.keys],
    ["◐", "dark, light, or as the system prefers", events.theme],
  ];
  const group = html("div", { class: "actions", role: "group", "aria-label": "actions" }, ...links, file);
  for (const [label, about, chosen] of all) {
    const button = html("button", { type: "button", title: about }, label);
    if (label === "◐") button.setAttribute("aria-label", "theme");
    if (label === "?") {
      button.setAttribute("aria-label", "keys");
      button.classList.add("with-keyboard");
    }
    button.addEventListener("click", chosen);
    group.append(button);
  }
  return group;
}

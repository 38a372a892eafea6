// Under each pane's title, one sentence that says what is drawn.

import { html } from "../drawing/dom";

/** captions: by the name of a pane, or by its title. */
export function captionPanes(stage: HTMLElement, captions: Readonly<Record<string, string>>): void {
  for (const heading of stage.querySelectorAll<HTMLElement>(".pane > h2")) {
    const name = [...(heading.parentElement?.classList ?? [])].find((each) => each.startsWith("pane-"))?.slice(5) ?? "";
    const caption = captions[name] ?? captions[heading.firstChild?.textContent ?? ""];
    if (!caption) continue;
    heading.title = caption;
    heading.after(html("p", { class: "pane-caption", title: caption }, caption));
  }
}

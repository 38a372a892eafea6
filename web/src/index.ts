// The explorer, in anywidget's form: one module serves an offline page, a local server and a notebook.

import { Explorer } from "./explorer";
import { Guide, stepInAddress } from "./guide";
import type { Model } from "./model/report";

export default {
  /** Draws the explorer into an element; the function it returns takes it away again. */
  render({ model, el }: { model: Model; el: HTMLElement }): () => void {
    if (model.get("page") && model.get("report")?.guide) return withGuide(model, el);
    const explorer = new Explorer(model, el);
    return () => explorer.remove();
  },
};

/** The guide where the address is empty or names one of its steps, else the explorer. */
function withGuide(model: Model, el: HTMLElement): () => void {
  let guide: Guide | null = null;
  let explorer: Explorer | null = null;
  let step = 1; // the last one seen, to which the guide returns
  const leave = (): void => {
    location.hash = "explorer";
  };
  const show = (): void => {
    const named = location.hash.length > 1 ? stepInAddress(location.hash) : 1;
    if (named === null) {
      guide?.remove();
      guide = null;
      explorer ??= new Explorer(model, el);
      return;
    }
    step = named || step;
    explorer?.remove();
    explorer = null;
    if (guide) guide.open(step);
    else guide = new Guide(model, el, step, leave);
  };
  addEventListener("hashchange", show); // before the explorer listens, which reads only addresses of its own
  show();
  return () => {
    removeEventListener("hashchange", show);
    guide?.remove();
    explorer?.remove();
  };
}

// The explorer, in anywidget's form: one module serves an offline page, a local server and a notebook.

import { Explorer } from "./explorer";
import type { Model } from "./model/report";

export default {
  /** Draws the explorer into an element; the function it returns takes it away again. */
  render({ model, el }: { model: Model; el: HTMLElement }): () => void {
    const explorer = new Explorer(model, el);
    return () => explorer.remove();
  },
};

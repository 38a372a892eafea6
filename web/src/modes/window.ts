// Window: input, weight and output as images, beside the im2col matrix.

import { arrangeFour, redrawOnOtherBlock } from "../panes/arrangement";
import type { Four } from "../panes/arrangement";
import { columnsPane } from "../panes/columns";
import type { Room } from "../panes/context";
import { inputPane } from "../panes/input";
import { outputPane } from "../panes/output";
import { weightPane } from "../panes/weight";
import { noCleanup } from "./mode";
import type { Mode } from "./mode";

export const window: Mode = {
  name: "window",
  label: "Window",
  about: "At each position, the filter multiplies the pixels of its window and adds the products: one output.",
  captions: {
    input: "What the layer reads; the window is outlined.",
    columns: "Each window of the input as a column.",
    weight: "The filters: one number for each pixel of a window.",
    output: "One number for each position of the window.",
  },
  render(context) {
    const makePanes = (size: Room): Four => [
      inputPane(context, size).element,
      columnsPane(context, size).element,
      weightPane(context, size).element,
      outputPane(context, size).element,
    ];
    arrangeFour(context, makePanes);
    redrawOnOtherBlock(context);
    return noCleanup;
  },
};

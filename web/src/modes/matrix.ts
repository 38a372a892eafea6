// Matrix: the convolution as a matrix product. The weight matrix is on the left, the im2col matrix above, and
// each output is the product of its row and its column.

import { clamp } from "../model/arithmetic";
import { gemm } from "../model/problem";
import { redrawOnOtherBlock } from "../panes/arrangement";
import { columnsPane } from "../panes/columns";
import { inputPane } from "../panes/input";
import { outputPane } from "../panes/output";
import { weightPane } from "../panes/weight";
import { noCleanup } from "./mode";
import type { Mode } from "./mode";

const GAP = 40;

export const matrix: Mode = {
  name: "matrix",
  label: "Matrix",
  about: "Each window laid out as a column, each filter as a row: the convolution is one matrix product.",
  captions: {
    input: "What the layer reads.",
    columns: "Each window of the input as a column, in the order of the outputs.",
    weight: "Each filter as a row.",
    output: "The product: a row of weights times a column of pixels is one output.",
  },
  render(context) {
    const { stage, room, scene } = context;
    const narrow = room.width < 620;
    const { groups, m, k } = gemm(scene.problem);
    const share = clamp(k / (k + scene.positions), 0.3, 0.6); // as the columns of the weight and of the output
    const left = narrow ? room.width : Math.round(room.width * share);
    const right = narrow ? room.width : room.width - left - GAP;
    stage.style.gridTemplateColumns = narrow ? "minmax(0, 1fr)" : `${left}px minmax(0, 1fr)`;
    const drawn = Math.min(groups, 6);
    const low = Math.min(Math.max(room.height, drawn * 42), drawn * (m * 30 + (groups > 1 ? 32 : 0)));
    const high = narrow ? room.height : 2 * room.height - low;
    const input = inputPane(context, { width: left, height: high }).element;
    const columns = columnsPane(context, { width: right, height: high }, 44).element;
    const weight = weightPane(context, { width: left, height: low }, true).element;
    const output = outputPane(context, { width: right, height: low }, true).element;
    stage.append(...(narrow ? [columns, output, weight, input] : [input, columns, weight, output]));
    redrawOnOtherBlock(context);
    return noCleanup;
  },
};

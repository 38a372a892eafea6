// What computes a gradient in training. Python predicts that for the problem of its report; of another problem the
// page says how to ask.

import { html } from "../../drawing/dom";
import { short } from "../../drawing/numbers";
import { format } from "../../model/shorthand";
import type { GradientKernel } from "../../model/source";
import type { Scene } from "../../numerics/scene";

export type Of = "input" | "weight";

/** In a few words, beside the formula; empty where the report does not say it. */
export function computedByWords(scene: Scene, of: Of): string {
  const by = computedBy(scene, of);
  return by ? `in training by ${named(by)}` : "";
}

/** In a sentence, with the reason. */
export function computedBySentence(scene: Scene, of: Of): Node {
  const line = html("p", { class: "facts computed-by" });
  const by = computedBy(scene, of);
  if (!by) {
    line.append("What computes it in training? Ask ", html("code", {}, `glassconv explain ${format(scene.original)} --backward`));
    return line;
  }
  line.append("In training it is computed by ", html("strong", {}, named(by)), `: ${by.reason}`);
  if (by.kernel && by.seconds !== null && by.pytorchSeconds !== null) {
    line.append(`, ${milliseconds(by.seconds)} and not ${milliseconds(by.pytorchSeconds)} on the machine that wrote this page`);
  }
  line.append(".");
  return line;
}

const computedBy = ({ original, source }: Scene, of: Of): GradientKernel | undefined => (source.problem === format(original) ? source.gradients?.[of] : undefined);
const named = ({ kernel }: GradientKernel): string => (kernel ? `the kernel ${kernel}` : "PyTorch");
const milliseconds = (seconds: number): string => `${short(seconds * 1e3)} ms`;

// The costs of a layer, each figure with the numbers that it is computed from.

import { html } from "../drawing/dom";
import { bytesOf, grouped, short } from "../drawing/numbers";
import { axes, bytes, count, gemm, macs, weightShape } from "../model/problem";
import type { Problem } from "../model/problem";
import type { Store } from "../model/state";

export function costs(problem: Problem, store: Store): Node {
  const { groups, m, n, k } = gemm(problem);
  const { counting } = store.get();
  const size = bytes(problem);
  const flops = 2 * macs(problem);
  const moved = size.input + size.weight + size.output;
  const work = counting === "macs" ? macs(problem) : flops;
  const list = html("dl", { class: "costs" });
  const row = (term: string, value: Node | string, how = ""): void => {
    list.append(html("dt", {}, term), html("dd", {}, value, ...(how ? [html("small", {}, how)] : [])));
  };
  for (const place of [0, 1] as const) {
    const { formula, result } = outputFormula(problem, place);
    row(place ? "out width" : "out height", String(result), formula);
  }
  row("matrix product", `${groups > 1 ? `${groups} × ` : ""}(${m} × ${k}) · (${k} × ${grouped(n)})`, `m = ${m}, n = ${grouped(n)}, k = ${k}${groups > 1 ? " in each group" : ""}`);
  row("work", grouped(work), `${counting === "macs" ? "" : "2 · "}${groups > 1 ? `${groups} · ` : ""}${m} · ${k} · ${grouped(n)}`);
  const pixelMacs = problem.batch * count(problem.inputSize) * count(weightShape(problem));
  if (problem.transposed) list.lastElementChild?.append(html("small", {}, `${grouped(counting === "macs" ? pixelMacs : 2 * pixelMacs)} with input pixels, as PyTorch counts; the rest multiply inserted zeros`));
  list.lastElementChild?.prepend(switchOf(counting, store));
  row("parameters", grouped(count(weightShape(problem)) + (problem.bias ? problem.outChannels : 0)), `weight ${weightShape(problem).join(" × ")}${problem.bias ? `, bias ${problem.outChannels}` : ""}`);
  row("array sizes", bytesOf(moved), `input ${bytesOf(size.input)}, weight ${bytesOf(size.weight)}, output ${bytesOf(size.output)}`);
  row("im2col matrix", bytesOf(size.columns), `${short(size.columns / size.input)} × the input`);
  row("arithmetic intensity", `${short(flops / moved)} FLOP/B`, "FLOPs ÷ bytes of the arrays");
  return list;
}

function outputFormula(problem: Problem, place: 0 | 1): { formula: string; result: number } {
  const { inputSize, kernelSize, stride, padding, dilation } = axes(problem)[place];
  const reach = `${dilation > 1 ? `${dilation} · ` : ""}(${kernelSize} − 1)`;
  if (problem.transposed) {
    const extra = problem.outputPadding[place];
    const result = (inputSize - 1) * stride - padding[0] - padding[1] + dilation * (kernelSize - 1) + extra + 1;
    const added = extra ? ` + ${extra}` : "";
    return { formula: `(${inputSize} − 1) · ${stride} − ${padding[0]} − ${padding[1]} + ${reach}${added} + 1`, result };
  }
  const formula = `⌊(${inputSize} + ${padding[0]} + ${padding[1]} − ${reach} − 1) ÷ ${stride}⌋ + 1`;
  return { formula, result: axes(problem)[place].outputSize };
}

function switchOf(counting: "macs" | "flops", store: Store): HTMLElement {
  const choices = html("span", { class: "switch", role: "group", "aria-label": "what to count" });
  for (const choice of ["macs", "flops"] as const) {
    const button = html("button", { type: "button", "aria-pressed": String(choice === counting) }, choice === "macs" ? "MACs" : "FLOPs");
    button.addEventListener("click", () => store.set({ counting: choice }));
    choices.append(button);
  }
  return choices;
}

// Taking away what is on the screen: a picture, PyTorch code, an address.

import { html, svg } from "./dom";
import { convolutionOf } from "./problem";
import type { Problem } from "./problem";

const MARGIN = 24;
const PIXELS = 2; // of a PNG, for each of the screen's

/** All of the stage's SVGs and canvases as one SVG, where they stand, with their titles. */
export function stageSvg(stage: HTMLElement): SVGSVGElement {
  const box = stage.getBoundingClientRect();
  const [width, height] = [box.width + 2 * MARGIN, box.height + 2 * MARGIN];
  const style = getComputedStyle(stage);
  const whole = svg("svg", { xmlns: "http://www.w3.org/2000/svg", width, height, viewBox: `0 0 ${width} ${height}` });
  whole.append(svg("rect", { width, height, fill: style.getPropertyValue("--background") }));
  for (const element of stage.querySelectorAll<SVGSVGElement | HTMLElement>("svg, canvas, h2, .legend, [data-export]")) {
    if (element.parentElement?.closest("svg")) continue;
    const at = element.getBoundingClientRect();
    if (!at.width || !at.height) continue;
    const [x, y] = [at.left - box.left + MARGIN, at.top - box.top + MARGIN];
    if (element instanceof HTMLCanvasElement) {
      whole.append(svg("image", { x, y, width: at.width, height: at.height, href: element.toDataURL() }));
    } else if (element instanceof SVGSVGElement) {
      const copy = inlined(element);
      for (const [name, value] of Object.entries({ x, y, width: at.width, height: at.height })) copy.setAttribute(name, String(value));
      whole.append(copy);
    } else {
      const font = getComputedStyle(element);
      const text = { x, y: y + at.height * 0.75, fill: font.color, "font-size": font.fontSize, "font-weight": font.fontWeight, "font-family": font.fontFamily };
      whole.append(svg("text", text, [...element.childNodes].map((node) => node.textContent).join("  ")));
    }
  }
  return whole;
}

const COPIED = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "opacity", "font-size", "font-family", "text-anchor"];

/** A copy that needs no style sheet: what the sheet says is written into each element. */
function inlined(element: SVGSVGElement): SVGSVGElement {
  const copy = element.cloneNode(true) as SVGSVGElement;
  const originals = [...element.querySelectorAll("*")];
  [...copy.querySelectorAll("*")].forEach((node, place) => {
    if (!node.hasAttribute("class")) return;
    const style = getComputedStyle(originals[place]);
    for (const name of COPIED) node.setAttribute(name, style.getPropertyValue(name));
  });
  copy.style.overflow = "visible";
  return copy;
}

export async function png(drawn: SVGSVGElement): Promise<Blob> {
  const [width, height] = [Number(drawn.getAttribute("width")), Number(drawn.getAttribute("height"))];
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text(drawn))}`;
  await image.decode();
  const canvas = html("canvas", { width: Math.round(width * PIXELS), height: Math.round(height * PIXELS) });
  canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((done, failed) => canvas.toBlob((blob) => (blob ? done(blob) : failed(new Error("the picture is too large"))), "image/png"));
}

export const text = (drawn: SVGSVGElement): string => new XMLSerializer().serializeToString(drawn);

export function save(name: string, content: Blob): void {
  const address = URL.createObjectURL(content);
  html("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

/** The layer as one would write it, and the line that runs it. */
export function pytorchCode(problem: Problem): string {
  const tuple = (pair: readonly [number, number]): string => (pair[0] === pair[1] ? `${pair[0]}` : `(${pair.join(", ")})`);
  const { padding, batch, inChannels, inputSize } = problem;
  const even = padding.every(([before, after]) => before === after);
  const said: [string, string, string][] = [
    ["stride", tuple(problem.stride), "1"],
    ["padding", problem.same ? "'same'" : even ? tuple([padding[0][0], padding[1][0]]) : "0", "0"],
    ["output_padding", tuple(problem.outputPadding), "0"],
    ["dilation", tuple(problem.dilation), "1"],
    ["groups", `${problem.groups}`, "1"],
    ["bias", problem.bias ? "True" : "False", "True"],
    ["dtype", `torch.${problem.dtype}`, "torch.float32"],
  ];
  const options = said.filter(([, value, usual]) => value !== usual).map(([name, value]) => `, ${name}=${value}`);
  const kind = problem.transposed ? "ConvTranspose2d" : "Conv2d";
  const dtype = problem.dtype === "float64" ? ", dtype=torch.float64" : "";
  const lines = [
    "import torch",
    "from torch import nn",
    "",
    `conv = nn.${kind}(${inChannels}, ${problem.outChannels}, ${tuple(problem.kernelSize)}${options.join("")})`,
    `x = torch.randn(${[batch, inChannels, ...inputSize].join(", ")}${dtype})`,
  ];
  if (even || problem.same) return [...lines, "y = conv(x)", ""].join("\n");
  const [[top, bottom], [left, right]] = padding;
  if (!problem.transposed) return [...lines, `y = conv(nn.functional.pad(x, (${left}, ${right}, ${top}, ${bottom})))`, ""].join("\n");
  const [tall, wide] = sizeUncut(problem);
  return [...lines, `y = conv(x)[:, :, ${top}:${tall - bottom}, ${left}:${wide - right}]`, ""].join("\n");
}

function sizeUncut(problem: Problem): readonly [number, number] {
  const whole = convolutionOf({ ...problem, padding: [[0, 0], [0, 0]] });
  const along = (place: 0 | 1): number => {
    const [before, after] = whole.padding[place];
    return whole.inputSize[place] + before + after - whole.dilation[place] * (whole.kernelSize[place] - 1);
  };
  return [along(0), along(1)];
}

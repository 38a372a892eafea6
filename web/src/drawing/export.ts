// Exports the stage as an SVG or a PNG image, with its title and problem above it and the equation below.

import { html, svg } from "./dom";

const MARGIN = 24;
const BASELINE = 0.8; // of a line's height
const PIXELS = 2; // of a PNG, for one of the screen
const HEAD = 64; // pixels, as all lengths here
const TITLE = { "font-size": "20px", "font-weight": "600" };
const PROBLEM = { "font-size": "15px" };

/** What an image says beside the stage. */
export interface Captions {
  readonly title: string;
  readonly problem: string; // in shorthand
  readonly equation: Element | null; // on the page; of the output in focus
}

/** The stage as one SVG: its SVGs, canvases, bars and lines of text, at their places on the screen. */
export function stageSvg(stage: HTMLElement, { title, problem, equation }: Captions): SVGSVGElement {
  const box = stage.getBoundingClientRect();
  const below = equation?.getBoundingClientRect();
  const foot = below ? below.height + MARGIN : 0;
  const [width, height] = [Math.max(box.width, below?.width ?? 0) + 2 * MARGIN, HEAD + box.height + foot + 2 * MARGIN];
  const place = (at: DOMRect, from = box, top = HEAD): { x: number; y: number } => ({ x: at.left - from.left + MARGIN, y: at.top - from.top + MARGIN + top });
  const whole = svg("svg", { xmlns: "http://www.w3.org/2000/svg", width, height, viewBox: `0 0 ${width} ${height}` });
  const look = getComputedStyle(stage);
  const [ink, muted, face, mono] = ["--ink", "--muted", "--face", "--mono"].map((name) => look.getPropertyValue(name));
  whole.append(
    svg("title", {}, `${title}: ${problem}`),
    svg("rect", { width, height, fill: look.getPropertyValue("--background") }),
    svg("text", { x: MARGIN, y: MARGIN + 18, fill: ink, "font-family": face, ...TITLE }, title),
    svg("text", { x: MARGIN, y: MARGIN + 42, fill: muted, "font-family": mono, ...PROBLEM }, problem),
  );
  for (const element of stage.querySelectorAll<SVGSVGElement | HTMLElement>("svg, canvas, i")) {
    const at = element.getBoundingClientRect();
    if (element.parentElement?.closest("svg") || !at.width || !at.height) continue;
    const where = { ...place(at), width: at.width, height: at.height };
    if (element instanceof HTMLCanvasElement) {
      whole.append(svg("image", { ...where, href: element.toDataURL() }));
    } else if (element instanceof SVGSVGElement) {
      const copy = inlined(element);
      for (const [name, value] of Object.entries(where)) copy.setAttribute(name, String(value));
      whole.append(copy);
    } else if (!element.textContent) {
      const { backgroundColor, borderRadius } = getComputedStyle(element);
      whole.append(svg("rect", { ...where, rx: parseFloat(borderRadius), fill: backgroundColor }));
    }
  }
  const write = ({ words, at, font }: Line, { x, y }: { x: number; y: number }): void => {
    const look = { fill: font.color, "font-size": font.fontSize, "font-weight": font.fontWeight, "font-style": font.fontStyle, "font-family": font.fontFamily };
    whole.append(svg("text", { x, y: y + at.height * BASELINE, ...look }, words));
  };
  for (const line of lines(stage)) write(line, place(line.at));
  if (equation && below) for (const line of lines(equation)) write(line, place(line.at, below, HEAD + box.height + MARGIN));
  return whole;
}

interface Line {
  words: string;
  readonly at: DOMRect; // of its first word
  readonly font: CSSStyleDeclaration;
}

/** The visible lines of text, broken as on the screen. */
function lines(within: Element): Line[] {
  const all: Line[] = [];
  const walker = document.createTreeWalker(within, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement;
    if (!parent || parent.closest("svg, .alternative") || !parent.checkVisibility()) continue;
    let line: Line | null = null;
    for (const word of (node.textContent ?? "").matchAll(/\S+/g)) {
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      const at = range.getBoundingClientRect();
      if (getComputedStyle(parent).textOverflow === "ellipsis" && at.right > parent.getBoundingClientRect().right) {
        if (line) line.words += " …";
        break;
      }
      if (line && Math.abs(line.at.top - at.top) < at.height / 2) line.words += ` ${word[0]}`;
      else all.push((line = { words: word[0], at, font: getComputedStyle(parent) }));
    }
  }
  return all;
}

const COPIED = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "opacity", "font-size", "font-family", "text-anchor"];

/** A copy that needs no style sheet: computed styles are written into the elements. */
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
  return new Promise((done, failed) => canvas.toBlob((blob) => (blob ? done(blob) : failed(new Error("the image is too large"))), "image/png"));
}

export const text = (drawn: SVGSVGElement): string => new XMLSerializer().serializeToString(drawn);

export function save(name: string, content: Blob): void {
  const address = URL.createObjectURL(content);
  html("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

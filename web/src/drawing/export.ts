// Exports the stage as an SVG or a PNG image.

import { html, svg } from "./dom";

const MARGIN = 24;
const BASELINE = 0.8; // of a line's height
const PIXELS = 2; // of a PNG, for one of the screen

/** The stage as one SVG: its SVGs, canvases, bars and lines of text, at their places on the screen. */
export function stageSvg(stage: HTMLElement): SVGSVGElement {
  const box = stage.getBoundingClientRect();
  const [width, height] = [box.width + 2 * MARGIN, box.height + 2 * MARGIN];
  const place = (at: DOMRect): { x: number; y: number } => ({ x: at.left - box.left + MARGIN, y: at.top - box.top + MARGIN });
  const whole = svg("svg", { xmlns: "http://www.w3.org/2000/svg", width, height, viewBox: `0 0 ${width} ${height}` });
  whole.append(svg("rect", { width, height, fill: getComputedStyle(stage).getPropertyValue("--background") }));
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
  for (const { words, at, font } of lines(stage)) {
    const { x, y } = place(at);
    const look = { fill: font.color, "font-size": font.fontSize, "font-weight": font.fontWeight, "font-style": font.fontStyle, "font-family": font.fontFamily };
    whole.append(svg("text", { x, y: y + at.height * BASELINE, ...look }, words));
  }
  return whole;
}

interface Line {
  words: string;
  readonly at: DOMRect; // of its first word
  readonly font: CSSStyleDeclaration;
}

/** The visible lines of text, broken as on the screen. */
function lines(stage: HTMLElement): Line[] {
  const all: Line[] = [];
  const walker = document.createTreeWalker(stage, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement;
    if (!parent || parent.closest("svg, .alternative") || !parent.checkVisibility()) continue;
    let line: Line | null = null;
    for (const word of (node.textContent ?? "").matchAll(/\S+/g)) {
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      const at = range.getBoundingClientRect();
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

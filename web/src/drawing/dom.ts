// Creates an element in one line, and scrolls a row to one of its elements.

const FADE = 30; // pixels, over which a row that is scrolled fades out

type Attributes = Readonly<Record<string, string | number | boolean>>;
type Child = Node | string;

export function html<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[Name] {
  return fill(document.createElement(name), attributes, children);
}

export function svg<Name extends keyof SVGElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: Child[]
): SVGElementTagNameMap[Name] {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function fill<Made extends Element>(element: Made, attributes: Attributes, children: Child[]): Made {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false) element.setAttribute(name, String(value));
  }
  element.append(...children);
  return element;
}

/** Scrolls a row that is wider than the page, and not the page. */
export function keepInView(row: HTMLElement, element: HTMLElement): void {
  const [seen, box] = [row.getBoundingClientRect(), element.getBoundingClientRect()];
  row.scrollLeft += Math.max(0, box.right + FADE - seen.right) + Math.min(0, box.left - FADE - seen.left);
}

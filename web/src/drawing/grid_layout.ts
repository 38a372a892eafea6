// The layout of a grid's cells: one or many planes side by side, each of rows × columns.

export interface Shape {
  readonly planes: number;
  readonly rows: number;
  readonly columns: number;
  readonly across?: number; // planes side by side; by default the number that makes cells largest
  readonly together?: number; // planes that stay side by side, where `across` is chosen
  readonly square?: boolean; // cells are as high as wide unless this is false
  readonly labelled?: boolean; // a line of text above each plane
  readonly largestCell?: number;
}

export interface Cell {
  readonly plane: number;
  readonly row: number;
  readonly column: number;
}

export interface Layout {
  readonly across: number;
  readonly cellWidth: number;
  readonly cellHeight: number;
  readonly gap: number;
  readonly label: number; // height of the text above a plane
  readonly width: number; // of all
  readonly height: number;
}

const LABEL = 18;
const LARGEST_CELL = 88;

/** The layout with the largest cells that fits a width and a height. */
export function layout(shape: Shape, width: number, height: number, largestCell = shape.largestCell ?? LARGEST_CELL): Layout {
  const { planes, rows, columns, square = true } = shape;
  const gap = planes === 1 || planes > 1000 ? 0 : planes <= 16 ? 10 : planes <= 128 ? 4 : 2;
  const label = shape.labelled && planes <= 16 ? LABEL : 0;
  let best: Layout | null = null;
  const step = shape.across ?? shape.together ?? 1;
  const most = shape.across ?? planes;
  for (let across = step; across <= Math.max(most, step); across += step) {
    const down = Math.ceil(planes / across);
    const fitWidth = (width - (across - 1) * gap) / (across * columns);
    const fitHeight = (height - (down - 1) * gap - down * label) / (down * rows);
    const cellWidth = Math.min(square ? Math.min(fitWidth, fitHeight) : fitWidth, largestCell);
    const cellHeight = square ? cellWidth : Math.min(fitHeight, largestCell);
    if (best && Math.min(cellWidth, cellHeight) <= Math.min(best.cellWidth, best.cellHeight)) continue;
    best = {
      across,
      cellWidth: Math.max(cellWidth, 0.01),
      cellHeight: Math.max(cellHeight, 0.01),
      gap,
      label,
      width: across * columns * cellWidth + (across - 1) * gap,
      height: down * (rows * cellHeight + label) + (down - 1) * gap,
    };
  }
  if (!best) throw new Error("a grid has at least one plane");
  return best;
}

/** The top left corner of a plane's first cell. */
export function corner(shape: Shape, placed: Layout, plane: number): { left: number; top: number } {
  const column = plane % placed.across;
  const row = Math.floor(plane / placed.across);
  return {
    left: column * (shape.columns * placed.cellWidth + placed.gap),
    top: row * (shape.rows * placed.cellHeight + placed.label + placed.gap) + placed.label,
  };
}

/** The cell at a point, or null between planes. */
export function cellAt(shape: Shape, placed: Layout, x: number, y: number): Cell | null {
  const pitchX = shape.columns * placed.cellWidth + placed.gap;
  const pitchY = shape.rows * placed.cellHeight + placed.label + placed.gap;
  const across = Math.floor(x / pitchX);
  const plane = Math.floor(y / pitchY) * placed.across + across;
  if (across < 0 || across >= placed.across || plane < 0 || plane >= shape.planes) return null;
  const { left, top } = corner(shape, placed, plane);
  const row = Math.floor((y - top) / placed.cellHeight);
  const column = Math.floor((x - left) / placed.cellWidth);
  if (row < 0 || row >= shape.rows || column < 0 || column >= shape.columns) return null;
  return { plane, row, column };
}

// How glassconv's kernel implicit_gemm cuts the matrix product of a picture in NCHW, on one thread: into
// blocks that caches clamp, and those into tiles that registers hold. The rules are Python's
// (kernels/implicit_gemm.py, codegen/target.py), and a test holds these to those.

import { count, gemm, macs, outputSize, tapCount } from "../model/problem";
import type { Problem } from "../model/problem";
import { clamp } from "../model/arithmetic";

/** A processor: its vectors, its registers and its caches; sizes in bytes. */
export interface Target {
  readonly name: string; // Python's
  readonly label: string;
  readonly vectorBytes: number;
  readonly registers: number;
  readonly l1: number;
  readonly l2: number;
}

const KB = 2 ** 10;

export const TARGETS: readonly Target[] = [
  { name: "avx2", label: "AVX2", vectorBytes: 32, registers: 16, l1: 32 * KB, l2: 512 * KB },
  { name: "avx512", label: "AVX-512", vectorBytes: 64, registers: 32, l1: 32 * KB, l2: 1024 * KB },
  { name: "neon", label: "NEON", vectorBytes: 16, registers: 32, l1: 64 * KB, l2: 512 * KB },
];

export const ELEMENT_BYTES = { float32: 4, float64: 8 };

export interface Blocking {
  readonly rows: number; // of a register tile: filters
  readonly vectors: number; // side by side in it
  readonly lanes: number; // elements of a vector: pixels
  readonly kBlock: number; // products of an output that are added before the next are lowered
  readonly pixelBlock: number; // pixels lowered together: a task
}

const LONGEST_K = 256;
const TASKS = 4;
const SMALLEST_TASK = 500_000; // multiply-adds
const FEW_FILTERS = 16;
const NARROWEST = 4; // panels of pixels in a task, where there are as many

export function blocking(problem: Problem, target: Target): Blocking {
  const element = ELEMENT_BYTES[problem.dtype];
  const lanes = target.vectorBytes / element;
  const vectors = 2; // more would leave too few rows
  const rows = Math.min(Math.floor((target.registers - vectors - 1) / vectors), 12);
  const { m } = gemm(problem);
  const taps = tapCount(problem);
  const channels = problem.inChannels / problem.groups;
  const kBlock = Math.min(channels, Math.max(1, Math.floor(LONGEST_K / taps))) * taps;
  const pixels = count(outputSize(problem));
  const budget = Math.floor((m <= FEW_FILTERS ? target.l1 : Math.floor(target.l2 / 2)) / element);
  const wanted = Math.max(1, Math.min(TASKS, Math.floor(macs(problem) / SMALLEST_TASK)));
  const tasks = Math.ceil(wanted / Math.max(problem.batch * problem.groups, 1));
  return { rows, vectors, lanes, kBlock, pixelBlock: blockOf(pixels, Math.floor(budget / kBlock), vectors * lanes, tasks) };
}

/** Equal blocks of at most so many pixels, a multiple of the tile's width. */
function blockOf(pixels: number, most: number, width: number, tasks: number): number {
  const panels = Math.ceil(pixels / width);
  const blocks = Math.max(Math.ceil(panels / Math.max(Math.floor(most / width), 1)), Math.min(tasks, Math.floor(panels / NARROWEST)));
  return Math.ceil(panels / blocks) * width;
}

export interface Range {
  readonly start: number;
  readonly end: number;
}

/** Where the kernel is when it makes one product: half-open ranges of the group's matrices. */
export interface Place {
  readonly pixels: Range; // the task's
  readonly k: Range; // the block of products
  readonly rows: Range; // filters of the register tile
  readonly columns: Range; // pixels of it
  readonly step: number; // the product that is being added
}

/** The tile that makes an output, filter `i` and pixel `j` of the group's product, at its product `step`. */
export function placeOf(problem: Problem, blocks: Blocking, i: number, j: number, step: number): Place {
  const { m, k } = gemm(problem);
  const all = count(outputSize(problem));
  const pixels = piece(j, blocks.pixelBlock, all);
  const columns = piece(j - pixels.start, blocks.vectors * blocks.lanes, pixels.end - pixels.start);
  return {
    pixels,
    k: piece(step, blocks.kBlock, k),
    rows: tileRows(i, blocks.rows, m),
    columns: { start: pixels.start + columns.start, end: pixels.start + columns.end },
    step: clamp(step, 0, k - 1),
  };
}

function piece(place: number, size: number, all: number): Range {
  const start = Math.floor(place / size) * size;
  return { start, end: Math.min(start + size, all) };
}

/** As many of the highest tiles as fit, then of the next lower: 6, 4, 2, 1. */
function tileRows(i: number, most: number, m: number): Range {
  let start = 0;
  for (const height of [most, ...[8, 4, 2, 1].filter((each) => each < most)]) {
    const end = m - ((m - start) % height);
    if (i < end) {
      const first = start + Math.floor((i - start) / height) * height;
      return { start: first, end: first + height };
    }
    start = end;
  }
  return { start, end: m };
}

/** Bytes that one image's product loads: from where they lie, as often as the loops ask for them. */
export interface Traffic {
  readonly untiled: number; // two numbers for each product
  readonly l1: number; // into registers
  readonly l2: number; // into the first cache
  readonly memory: number; // every number once, which is the least
}

export function traffic(problem: Problem, blocks: Blocking): Traffic {
  const element = ELEMENT_BYTES[problem.dtype];
  const { groups, m, k } = gemm(problem);
  const n = count(outputSize(problem));
  const products = groups * m * n * k;
  const rows = tileRows(0, blocks.rows, m).end;
  const width = blocks.vectors * blocks.lanes;
  const again = m <= FEW_FILTERS ? 1 : Math.ceil(m / rows); // each row of tiles reads the columns, which few filters find near
  const pixelBlocks = Math.ceil(n / blocks.pixelBlock);
  const input = problem.inChannels * count(problem.inputSize);
  return {
    untiled: 2 * products * element,
    l1: (products / (rows * width)) * (rows + width) * element,
    l2: groups * k * (n * again + m * pixelBlocks) * element,
    memory: (input + groups * m * (k + n)) * element,
  };
}

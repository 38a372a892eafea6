// The blocking of the kernel implicit_gemm for NCHW inputs on one thread: blocks that fit a cache, and
// register tiles inside them. Python chooses the blocks in the same way (kernels/implicit_gemm.py,
// codegen/target.py); tests/explore/test_blocking.py compares the two.

import { clamp } from "../model/arithmetic";
import { DTYPES, GEMM_BLOCKING } from "../model/constants";
import type { Target } from "../model/constants";
import { channelsPerGroup, count, gemm, outputSize, tapCount } from "../model/problem";
import type { Problem } from "../model/problem";

export interface Blocking {
  readonly rows: number; // of the register tile: filters
  readonly heights: readonly number[]; // rows of all register tiles, the highest first
  readonly vectors: number; // of the register tile, side by side
  readonly lanes: number; // elements of a vector: output pixels
  readonly kBlock: number; // products of an output that are added before the next block is lowered
  readonly pixelBlock: number; // output pixels of a task
}

export function blocking(problem: Problem, target: Target): Blocking {
  const { rows, vectors, heights } = target.tile;
  const elementBytes = DTYPES[problem.dtype].bytes;
  const lanes = target.vectorBytes / elementBytes;
  const taps = tapCount(problem);
  const kBlock = Math.min(channelsPerGroup(problem), Math.max(1, Math.floor(GEMM_BLOCKING.longestK / taps))) * taps;
  const largestBlock = Math.floor(Math.floor(Math.floor(target.l2 / 2) / elementBytes) / kBlock);
  return { rows, heights, vectors, lanes, kBlock, pixelBlock: equalBlocks(count(outputSize(problem)), largestBlock, vectors * lanes) };
}

/** The size of equal blocks: at most `largest` pixels, a multiple of the tile's width. */
function equalBlocks(pixels: number, largest: number, width: number): number {
  const panels = Math.ceil(pixels / width);
  const blocks = Math.ceil(panels / Math.max(Math.floor(largest / width), 1));
  return Math.ceil(panels / blocks) * width;
}

export interface Range {
  readonly start: number;
  readonly end: number;
}

/** What the kernel works on when it computes one product: half-open ranges of the group's matrices. */
export interface Position {
  readonly pixels: Range; // of the task
  readonly k: Range; // of the block of products
  readonly rows: Range; // of the register tile: filters
  readonly columns: Range; // of the register tile: pixels
  readonly step: number; // the product that is being added
}

/** The position of product `step` of an output, which is filter `i` and pixel `j` of the group's matrix product. */
export function positionOf(problem: Problem, blocks: Blocking, i: number, j: number, step: number): Position {
  const { m, k } = gemm(problem);
  const pixels = blockAt(j, blocks.pixelBlock, count(outputSize(problem)));
  const columns = blockAt(j - pixels.start, blocks.vectors * blocks.lanes, pixels.end - pixels.start);
  return {
    pixels,
    k: blockAt(step, blocks.kBlock, k),
    rows: tileRows(i, blocks.heights, m),
    columns: { start: pixels.start + columns.start, end: pixels.start + columns.end },
    step: clamp(step, 0, k - 1),
  };
}

function blockAt(index: number, size: number, total: number): Range {
  const start = Math.floor(index / size) * size;
  return { start, end: Math.min(start + size, total) };
}

/** The rows of the register tile that computes row i: as many of the highest tiles as fit, then of the next lower ones. */
function tileRows(i: number, heights: readonly number[], m: number): Range {
  let start = 0;
  for (const height of heights) {
    const end = m - ((m - start) % height);
    if (i < end) {
      const first = start + Math.floor((i - start) / height) * height;
      return { start: first, end: first + height };
    }
    start = end;
  }
  return { start, end: m };
}

/** Bytes that one image's matrix product loads, by the level that they are loaded from. */
export interface Traffic {
  readonly untiled: number; // without tiles: two numbers for each product
  readonly l1: number; // into registers
  readonly l2: number; // into L1
  readonly memory: number; // every number once, which is the least possible
}

export function traffic(problem: Problem, blocks: Blocking): Traffic {
  const elementBytes = DTYPES[problem.dtype].bytes;
  const { groups, m, k } = gemm(problem);
  const n = count(outputSize(problem));
  const products = groups * m * n * k;
  const rows = tileRows(0, blocks.heights, m).end;
  const width = blocks.vectors * blocks.lanes;
  const columnReads = Math.ceil(m / rows); // once for each row of tiles
  const pixelBlocks = Math.ceil(n / blocks.pixelBlock);
  const input = problem.inChannels * count(problem.inputSize);
  return {
    untiled: 2 * products * elementBytes,
    l1: (products / (rows * width)) * (rows + width) * elementBytes,
    l2: groups * k * (n * columnReads + m * pixelBlocks) * elementBytes,
    memory: (input + groups * m * (k + n)) * elementBytes,
  };
}

// Arrays in memory, and as Python writes them into a report.

import type { Problem } from "./problem";

export type Numbers = Float32Array | Float64Array;

export interface Tensor {
  readonly shape: readonly number[];
  readonly dtype: "float32" | "float64";
  readonly data: string; // base64 of little-endian elements
}

export interface Array4 {
  readonly shape: readonly number[];
  readonly values: Numbers;
}

export function decode(tensor: Tensor): Array4 {
  const binary = atob(tensor.data);
  const bytes = Uint8Array.from(binary, (letter) => letter.charCodeAt(0));
  const values = tensor.dtype === "float64" ? new Float64Array(bytes.buffer) : new Float32Array(bytes.buffer);
  return { shape: tensor.shape, values };
}

export function encode(shape: readonly number[], values: Numbers): Tensor {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  let binary = "";
  for (let start = 0; start < bytes.length; start += 0x8000) {
    binary += String.fromCharCode(...bytes.subarray(start, start + 0x8000));
  }
  return { shape, dtype: values instanceof Float64Array ? "float64" : "float32", data: btoa(binary) };
}

export function zeros(length: number, dtype: Problem["dtype"]): Numbers {
  return dtype === "float64" ? new Float64Array(length) : new Float32Array(length);
}

// Reads the reader's own image from a file. It never leaves the page.

import type { Array4 } from "../model/tensors";

const LARGEST_SIDE = 1024;

/** Reads an image as [1, 3, height, width] from −1 to 1, normalised as in the tutorial. */
export async function read(file: Blob): Promise<Array4> {
  const bitmap = await createImageBitmap(file);
  const shrink = Math.min(1, LARGEST_SIDE / Math.max(bitmap.width, bitmap.height));
  const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * shrink)));
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("this browser has no Canvas 2D");
  context.fillStyle = "white"; // seen through a transparent picture, as in Python
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0, width, height);
  bitmap.close();
  return toArray(context.getImageData(0, 0, width, height));
}

function toArray({ data, width, height }: ImageData): Array4 {
  const size = width * height;
  const values = new Float32Array(3 * size);
  for (let place = 0; place < size; place++) {
    for (let channel = 0; channel < 3; channel++) {
      values[channel * size + place] = (data[4 * place + channel] / 255 - 0.5) / 0.5;
    }
  }
  return { shape: [1, 3, height, width], values };
}

/** The image in grey, for an input of one channel. */
export function grey({ shape, values }: Array4): Array4 {
  const [, , height, width] = shape;
  const size = height * width;
  const mixed = new Float32Array(size);
  for (let place = 0; place < size; place++) {
    mixed[place] = 0.299 * values[place] + 0.587 * values[size + place] + 0.114 * values[2 * size + place];
  }
  return { shape: [1, 1, height, width], values: mixed };
}

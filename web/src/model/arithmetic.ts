export const clamp = (value: number, least: number, most: number): number => Math.max(least, Math.min(most, value));

/** The remainder of a division that rounds down: never negative. */
export const modulo = (value: number, size: number): number => ((value % size) + size) % size;

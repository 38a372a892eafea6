// Work that takes longer than a frame, done some milliseconds in each, and shown now and then.

const SLICE = 8; // milliseconds a frame
const REPAINT = 150; // milliseconds between two pictures of what is done so far

/** work: goes on for so long, and returns whether there is more to do. Returns what stops it. */
export function inSlices(work: (milliseconds: number) => boolean, show: () => void): () => void {
  let frame = 0;
  let shown = -Infinity;
  const go = (): void => {
    const more = work(SLICE);
    if (!more || performance.now() - shown > REPAINT) {
      show();
      shown = performance.now();
    }
    if (more) frame = requestAnimationFrame(go);
  };
  go();
  return () => cancelAnimationFrame(frame);
}

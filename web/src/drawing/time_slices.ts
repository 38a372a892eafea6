// Work that takes longer than a frame, done some milliseconds in each, and shown now and then.

const SLICE = 8; // milliseconds a frame
const REPAINT = 150; // milliseconds between two pictures of what is done so far
const SHARE = 8; // times as long as it takes to draw one, at least

/** work: goes on for so long, and returns whether there is more to do. Returns what stops it. */
export function runInSlices(work: (milliseconds: number) => boolean, show: () => void): () => void {
  let frame = 0;
  let next = -Infinity;
  const go = (): void => {
    const more = work(SLICE);
    const now = performance.now();
    if (!more || now > next) {
      show();
      const drawn = performance.now();
      next = drawn + Math.max(REPAINT, SHARE * (drawn - now));
    }
    if (more) frame = requestAnimationFrame(go);
  };
  go();
  return () => cancelAnimationFrame(frame);
}

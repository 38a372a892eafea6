// Runs work that takes longer than a frame: a few milliseconds in each frame, with intermediate results drawn.

const SLICE = 8; // milliseconds a frame
const REPAINT = 150; // milliseconds between two drawings of intermediate results
const SHARE = 8; // times as long as it takes to draw one, at least

/** work: works for some milliseconds, and returns whether there is more to do. Returns a function that stops it. */
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

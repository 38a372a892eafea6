// How soon the page is there, and how fast it scrubs: npm run speed. Prints milliseconds, judges none.
import { onPage } from "./page.mjs";

const LOADS = 11;
const FRAMES = 240;
const median = (times) => times.sort((one, other) => one - other)[Math.floor(times.length / 2)];

await onPage({}, async (page) => {
  const paints = [];
  for (let load = 0; load < LOADS; load++) {
    await page.reload();
    const painted = await page.waitForFunction(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime);
    paints.push(await painted.jsonValue());
  }
  console.log(`first contentful paint: median ${median(paints).toFixed(0)} ms of ${LOADS} loads`);
});

await onPage({}, async (page) => {
  await page.locator('.stage[aria-busy="false"]').waitFor();
  for (const mode of await page.locator('.modes button[aria-disabled="false"]').all()) {
    await mode.click();
    await page.waitForTimeout(500);
    const frames = await page.evaluate(async (count) => {
      const scrubber = document.querySelector(".scrubber");
      const times = [];
      let last = await new Promise(requestAnimationFrame);
      for (let frame = 0; frame < count; frame++) {
        scrubber.value = String((frame * 25) % Number(scrubber.max));
        scrubber.dispatchEvent(new Event("input"));
        const now = await new Promise(requestAnimationFrame);
        times.push(now - last); // every frame draws the scrub before it
        last = now;
      }
      return times;
    }, FRAMES);
    const [middle, late] = [median(frames), frames[Math.floor(FRAMES * 0.95)]];
    console.log(`scrubbing 64 channels of 56 × 56, ${await mode.innerText()}: a frame ${middle.toFixed(1)} ms at the median, 95 % under ${late.toFixed(1)} ms`);
  }
}, [{ problem: "1x64x56x56 64@3x3 s1 p1 nobias" }]);

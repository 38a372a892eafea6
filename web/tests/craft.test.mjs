// Accessible, from a telephone to a wall, and fast.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { onPage, settled, skip, text } from "./page.mjs";

const axe = await readFile(new URL("../node_modules/axe-core/axe.min.js", import.meta.url), "utf8");

for (const colorScheme of ["light", "dark"]) {
  test(`axe-core finds nothing, ${colorScheme}`, { skip }, () =>
    onPage({ colorScheme }, async (page) => {
      await page.addScriptTag({ content: axe });
      await page.getByRole("button", { name: "Grouped" }).click();
      const views = [...(await page.locator(".modes button").all()), page.getByRole("button", { name: "Two layers" })];
      for (const view of views) {
        await view.click();
        await settled(page);
        const { violations } = await page.evaluate(() => window.axe.run());
        const found = violations.map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(" | ")}`);
        assert.deepEqual(found, []);
      }
    }),
  );
}

test("every pane has a text alternative that follows the focus", { skip }, () =>
  onPage({ hash: "#at=y,0,3,4" }, async (page) => {
    const alternatives = await page.locator(".alternative").allTextContents();
    assert.equal(alternatives.length, 4);
    assert.match(alternatives[0], /The window starts at row 3, column 4, and spans 5 by 5/);
    assert.match(alternatives[3], /At filter 0, row 3, column 4 it is/);
  }),
);

for (const width of [380, 760, 1280, 1920, 3840]) {
  test(`nothing overflows at ${width} pixels`, { skip }, () =>
    onPage({ viewport: { width, height: Math.max(800, Math.round(width * 0.56)) } }, async (page) => {
      for (const mode of await page.locator(".modes button").all()) {
        await mode.click();
        await settled(page);
        const [wide, seen] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
        assert.ok(wide <= seen, `${await mode.innerText()}: ${wide} > ${seen}`);
      }
    }),
  );
}

test("an explorer that had no size when it was made draws once it has one", { skip }, () =>
  onPage({ css: "main { display: none }" }, async (page) => {
    assert.equal(await page.locator(".pane").count(), 0);
    await page.evaluate(() => (document.querySelector("main").style.display = "block"));
    await page.locator(".pane-output canvas").waitFor();
    const { width } = await page.locator(".pane-output .grid").boundingBox();
    assert.ok(width > 100);
  }),
);

test("scrubbing 64 channels of 56 × 56 moves marks and paints no number again", { skip }, () =>
  onPage({}, async (page) => {
    await page.locator('.stage[aria-busy="false"]').waitFor();
    const { painted, moved } = await page.evaluate(async () => {
      let painted = 0;
      const paint = CanvasRenderingContext2D.prototype;
      for (const name of ["putImageData", "drawImage", "fillRect", "clearRect"]) {
        const before = paint[name];
        paint[name] = function (...given) {
          painted += !this.canvas.closest(".magnifier");
          return before.apply(this, given);
        };
      }
      const moved = new Set();
      const scrubber = document.querySelector(".scrubber");
      for (let place = 0; place < 3000; place += 250) {
        scrubber.value = String(place);
        scrubber.dispatchEvent(new Event("input"));
        await new Promise(requestAnimationFrame);
        await new Promise(requestAnimationFrame);
        moved.add(document.querySelector(".pane-output .mark.window").getAttribute("d"));
      }
      return { painted, moved: moved.size };
    });
    assert.equal(painted, 0);
    assert.equal(moved, 12);
  }, [{ problem: "1x64x56x56 64@3x3 s1 p1 nobias" }]),
);

test("PyTorch's own value is compared with where it is known", { skip }, () =>
  onPage({}, async (page) => {
    assert.match(await text(page, ".sentence"), /PyTorch’s value is 10: \|Δ\| = 0/);
  }, [{ problem: "1x1x2x2 1@2x2 s1 p0 nobias", input: ones([1, 1, 2, 2], [1, 2, 3, 4]), weight: ones([1, 1, 2, 2], [1, 1, 1, 1]), output: ones([1, 1, 1, 1], [10]) }]),
);

test("where there is a Python, PyTorch's value is asked for", { skip }, () =>
  onPage({ python: () => ({ type: "convolve", output: { shape: [1, 1, 1, 1], dtype: "float32", data: "AAAgQQ==" } }) }, async (page) => {
    await page.getByText("PyTorch’s value is 10").waitFor();
  }, [{ problem: "1x1x2x2 1@2x2 s1 p0 nobias" }]),
);

test("what Python refuses the page computes, and says why Python did not", { skip }, () =>
  onPage({ python: () => ({ type: "error", error: "too large for Python" }) }, async (page) => {
    await page.getByText("too large for Python").waitFor();
    assert.doesNotMatch(await text(page, ".sentence"), /PyTorch/);
  }, [{ problem: "1x1x2x2 1@2x2 s1 p0 nobias" }]),
);

function ones(shape, values) {
  return { shape, dtype: "float32", data: Buffer.from(Float32Array.from(values).buffer).toString("base64") };
}

// The guided beginning: what opens it, its steps, what appears, sums product by product, and that it fits one screen.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { onPage, pass, press, settled, skip, text } from "./page.mjs";
import { sources } from "./sources.mjs";

const axe = await readFile(new URL("../node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
const { convolve, parse, sourceOf, STEPS, terms } = await sources(`
export { convolve, terms } from "./numerics/convolution";
export { parse } from "./model/shorthand";
export { sourceOf, STEPS } from "./guide/steps";`);

const encoded = (shape, values) => ({ shape, dtype: "float32", data: Buffer.from(Float32Array.from(values).buffer).toString("base64") });
const PHOTOGRAPH = encoded([1, 3, 32, 32], Array.from({ length: 3 * 32 * 32 }, (_, place) => Math.sin(place)));
const LINKS = [
  { label: "Tutorial", href: "tutorial.html" },
  { label: "Gallery", href: "gallery.html" },
];
const GUIDE = [{ problem: "1x3x32x32 1@5x5 s1 p0", input: PHOTOGRAPH, inputKind: "image", guide: { links: LINKS } }];
const SIZES = [[390, 844], [768, 1024], [1280, 800], [1366, 768], [1920, 1080], [2560, 1440]];

const guided = (options, check, reports = GUIDE) => onPage(options, check, reports);
const numbersOf = (page, pane) => page.locator(`.pane-${pane}`).first().locator(".number").allTextContents();
const parsed = (written) => Number(written.replace("−", "-").replace(/[()]/g, ""));
const hash = (page) => page.evaluate(() => location.hash);
const step = (page) => text(page, ".steps [aria-current] .step");

test("a page without an address begins with the guide, one with an address or without a guide is the explorer", { skip }, async () => {
  await guided({}, async (page) => {
    assert.equal(await text(page, "h1"), "Convolution you can see through");
    assert.equal(await step(page), "1");
    assert.deepEqual(await page.locator("header nav a").evaluateAll((all) => all.map((each) => each.getAttribute("href"))), ["tutorial.html", "gallery.html"]);
  });
  const isExplorer = async (page) => assert.equal(await page.locator(".modes").count(), 1);
  await guided({ hash: "#mode=matrix" }, isExplorer);
  await guided({}, isExplorer, [{ problem: "1x3x32x32 1@5x5 s1 p0" }]);
  await guided({ owns: false }, isExplorer); // a notebook's
  await guided({}, async (page) => assert.equal(await page.locator("header nav a").count(), 0), [{ guide: { links: [] } }]);
});

test("each step changes one thing: the panes that are drawn, or one argument of the convolution, or the picture", () => {
  const things = ({ problem, view }) => {
    const { batch, dtype, same, transposed, outputPadding, dilation, groups, ...changing } = parse(problem);
    return { view, ...changing };
  };
  for (const [place, next] of STEPS.slice(1).entries()) {
    const [one, other] = [things(STEPS[place]), things(next)];
    const changed = Object.keys(other).filter((name) => JSON.stringify(one[name]) !== JSON.stringify(other[name]));
    if (next.name === "Photograph") assert.equal(one.view, other.view);
    else assert.equal(changed.length, 1, `${next.name} changes ${changed.join(", ")}`);
    assert.match(next.sentence, /^[^.]+\.$/, "one sentence");
  }
  const numbers = STEPS.slice(0, -1).map((each) => sourceOf(each, {}));
  for (const { input, weight } of numbers) {
    const whole = numbers.at(-1);
    assert.deepEqual([...input.values], [...whole.input.values.slice(0, input.values.length)]);
    assert.ok([...weight.values].every(Number.isInteger));
  }
});

test("outputs and columns appear as the window reaches them", { skip }, () =>
  guided({ hash: "#guide=2" }, async (page) => {
    const { problem } = STEPS[1];
    const { input, weight } = sourceOf(STEPS[1], {});
    const output = convolve(parse(problem), { input: input.values, weight: weight.values, bias: null });
    for (let reached = 1; reached <= output.length; reached++) {
      assert.deepEqual((await numbersOf(page, "output")).map(parsed), [...output.slice(0, reached)]);
      assert.equal((await numbersOf(page, "columns")).length, 9 * reached);
      await press(page, "ArrowRight");
    }
    await press(page, "ArrowLeft", "ArrowLeft");
    assert.equal((await numbersOf(page, "output")).length, output.length); // what has appeared stays
    assert.ok(!(await page.locator(".stage").innerHTML()).includes("NaN"));
  }),
);

test("playing reaches the last output and stops; playing again begins anew", { skip }, () =>
  guided({ clock: "stopped" }, async (page) => {
    await press(page, " ");
    await pass(page, 2200); // three outputs, of which each takes 667 ms
    assert.equal((await numbersOf(page, "output")).length, 4);
    assert.equal(await text(page, ".play"), "❚❚ Pause");
    await pass(page, 4000);
    assert.equal(await text(page, ".play"), "▶ Play");
    assert.equal((await numbersOf(page, "output")).length, 9);
    assert.equal(await text(page, ".place"), "output 9 of 9");
    await press(page, " ");
    assert.equal((await numbersOf(page, "output")).length, 1);
  }),
);

for (const number of [1, 5, 7]) {
  test(`step ${number}: product by product, the sum so far is the definition's, and the output appears with the last`, { skip }, () =>
    guided({ hash: `#guide=${number}` }, async (page) => {
      const problem = parse(STEPS[number - 1].problem);
      const { input, weight } = sourceOf(STEPS[number - 1], {});
      const operands = { input: input.values, weight: weight.values, bias: null };
      const wide = convolve(problem, operands).length / problem.outChannels;
      await press(page, "ArrowRight");
      const all = terms(problem, operands, 0, 0, 1);
      let sum = 0;
      for (const [place, { x, w }] of all.entries()) {
        await press(page, "Shift+ArrowRight");
        sum += x * w;
        assert.equal(parsed(await text(page, ".total strong")), sum);
        assert.match(await text(page, ".total"), new RegExp(`^${place + 1} of ${all.length} products`));
      }
      await press(page, "Shift+ArrowRight");
      assert.ok((await page.locator(".numbers").innerText()).endsWith(`= ${String(sum).replace("-", "−")}`));
      assert.equal(parsed((await numbersOf(page, "output"))[1]), sum);
      assert.equal((await numbersOf(page, "output")).length, 2 * problem.outChannels);
      assert.ok(wide > 2);
    }),
  );
}

test("a sum is played product by product to its end; the output, which had appeared, stays", { skip }, () =>
  guided({ hash: "#guide=2", clock: "stopped" }, async (page) => {
    await page.getByRole("button", { name: "Play this sum" }).click();
    await settled(page);
    for (let products = 1; products <= 9; products++) {
      assert.ok((await text(page, ".total")).startsWith(`${products} of 9 products`));
      assert.equal((await numbersOf(page, "output")).length, 1);
      await pass(page, 410); // a product takes 400 ms
    }
    assert.equal(await page.locator(".total").textContent(), "");
    assert.equal((await numbersOf(page, "output")).length, 1);
    assert.equal(await text(page, ".play-products"), "Play this sum");
  }),
);

test("the last step before the photograph is the worked example, at its 2", { skip }, () =>
  guided({ hash: "#guide=8" }, async (page) => {
    assert.match((await page.locator(".numbers").innerText()).replaceAll(/\s+/g, " "), /= 2 .*= 0 .*= −1 y0, 1, 2 = 2 \+ 0 \+ \(−1\) \+ bias 1 = 2$/);
  }),
);

test("buttons, Page Down and the address go through the steps; skipping opens the explorer, and its link leads back", { skip }, () =>
  guided({}, async (page) => {
    await page.locator(".next").click();
    await page.waitForFunction(() => location.hash === "#guide=2");
    await press(page, "PageDown");
    await page.waitForFunction(() => document.querySelector(".steps [aria-current] .step").textContent === "3");
    assert.equal(await hash(page), "#guide=3");
    await page.locator(".steps a").nth(4).click();
    await page.waitForFunction(() => document.querySelector(".lesson").textContent.startsWith("With three channels"));
    await press(page, "PageUp");
    await page.waitForFunction(() => location.hash === "#guide=4");
    await page.goBack();
    await page.waitForFunction(() => document.querySelector(".steps [aria-current] .step").textContent === "5");
    await page.getByRole("button", { name: "Skip the introduction" }).click();
    await page.locator(".modes").waitFor();
    assert.equal(await page.locator(".guide").count(), 0);
    await page.waitForFunction(() => location.hash.startsWith("#problem="));
    await page.getByRole("link", { name: "Introduction" }).click();
    await page.locator(".guide").waitFor();
    assert.equal(await step(page), "5"); // where it was left
    assert.equal(await page.locator(".modes").count(), 0);
    await page.locator(".steps a").last().click();
    await page.getByRole("button", { name: "Explorer ›" }).click();
    await page.locator(".modes").waitFor();
  }),
);

test("a link to a step opens it, and there is no photograph where the page has none", { skip }, async () => {
  await guided({ hash: "#guide=6" }, async (page) => assert.equal(await step(page), "6"));
  await guided({ hash: "#guide=9" }, async (page) => assert.equal(await page.locator(".pane-input canvas").count(), 1));
  await guided({ hash: "#guide=99" }, async (page) => assert.equal(await step(page), "8"), [{ guide: { links: [] } }]);
});

test("under reduced motion a press is one step", { skip }, () =>
  guided({ reducedMotion: "reduce", clock: "stopped" }, async (page) => {
    await press(page, " ");
    await pass(page, 2000);
    assert.equal((await numbersOf(page, "output")).length, 2);
    await page.locator(".play-products").click();
    await settled(page);
    assert.match(await text(page, ".total"), /^1 of 9 products/);
  }),
);

for (const [width, height] of SIZES) {
  test(`sentence, window and equation are in one screen, and numbers are large, at ${width} × ${height}`, { skip }, () =>
    guided({ viewport: { width, height } }, async (page) => {
      for (let place = 0; place < STEPS.length; place++) {
        await page.evaluate((number) => (location.hash = `guide=${number}`), place + 1);
        await page.waitForFunction((sentence) => document.querySelector(".lesson").textContent === sentence, STEPS[place].sentence);
        await press(page, "ArrowRight");
        const seen = await page.evaluate(() => {
          const [wide, high] = [document.documentElement.clientWidth, document.documentElement.clientHeight];
          const inside = (element) => {
            const box = element.getBoundingClientRect();
            return box.width > 0 && box.left >= 0 && box.top >= 0 && box.right <= wide + 0.5 && box.bottom <= high + 0.5;
          };
          const stage = document.querySelector(".stage").getBoundingClientRect();
          return {
            outside: [".lesson", "[aria-label=equation]", ".next", ".pane-input .mark.window"].filter((each) => !inside(document.querySelector(each))),
            cut: [...document.querySelectorAll(".pane, .operator")].filter((each) => {
              const box = each.getBoundingClientRect();
              return box.right > stage.right + 0.5 || box.bottom > stage.bottom + 0.5 || box.top < stage.top - 0.5;
            }).map((each) => each.className),
            wider: document.documentElement.scrollWidth > wide || document.documentElement.scrollHeight > high,
            least: Math.min(...[...document.querySelectorAll(".number")].map((each) => Number(each.getAttribute("font-size")))),
          };
        });
        assert.deepEqual([seen.outside, seen.cut, seen.wider], [[], [], false], STEPS[place].name);
        assert.ok(seen.least >= 11, `${STEPS[place].name}: ${seen.least} px`);
      }
    }),
  );
}

for (const colorScheme of ["light", "dark"]) {
  test(`axe-core finds nothing in the guide, ${colorScheme}`, { skip }, () =>
    guided({ colorScheme, reducedMotion: "reduce" }, async (page) => {
      await page.addScriptTag({ content: axe });
      for (const number of [1, 3, 6, 9]) {
        await page.evaluate((number) => (location.hash = `guide=${number}`), number);
        await page.waitForFunction((number) => document.querySelector(".steps [aria-current] .step").textContent === String(number), number);
        await press(page, "Shift+ArrowRight");
        const { violations } = await page.evaluate(() => window.axe.run());
        assert.deepEqual(violations.map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes.map(({ html }) => html.slice(0, 140)).join(" | ")}`), []);
      }
    }),
  );
}

// The keyboard and the player.
import assert from "node:assert/strict";
import { test } from "node:test";
import { onPage, pass, point, press, settled, skip, text } from "./page.mjs";

const TINY = [{ problem: "1x1x4x4 1@2x2 s1 p0" }];
const SMALL = [{ problem: "1x2x6x6 3@3x3 s1 p1 nobias" }];
const at = async (page) => (await text(page, ".sentence .named")).replaceAll(/\s+/g, "");

test("arrows step outputs and rows, brackets filters, Shift and arrows products", { skip }, () =>
  onPage({}, async (page) => {
    await press(page, "ArrowRight");
    assert.equal(await at(page), "y0,0,1");
    await press(page, "ArrowLeft", "ArrowLeft");
    assert.equal(await at(page), "y0,5,5"); // around
    await press(page, "ArrowUp", "ArrowUp");
    assert.equal(await at(page), "y0,3,5");
    await press(page, "ArrowDown", "ArrowDown", "ArrowDown");
    assert.equal(await at(page), "y0,0,5"); // around
    await press(page, "]", "PageDown");
    assert.equal(await at(page), "y2,0,5");
    await press(page, "[");
    assert.equal(await at(page), "y1,0,5");
    await press(page, "Shift+ArrowRight", "Shift+ArrowRight", "Shift+ArrowDown");
    assert.match(await text(page, ".sentence"), /Product 4:/);
    await press(page, "Shift+ArrowLeft");
    assert.match(await text(page, ".sentence"), /Product 3:/);
  }, SMALL),
);

test("in the input and the weight, arrows move their own cells", { skip }, () =>
  onPage({}, async (page) => {
    await page.locator(".pane-input .grid").focus();
    await press(page, "ArrowRight", "ArrowRight", "ArrowDown");
    assert.equal(await at(page), "x0,1,1");
    await page.locator(".pane-weight .grid").focus();
    await press(page, "ArrowRight", "ArrowRight", "ArrowDown");
    assert.equal(await at(page), "w0,0,1,1");
    await page.locator(".pane-output .grid").focus();
    await press(page, "ArrowRight");
    assert.match(await at(page), /^y/);
  }, SMALL),
);

test("Space plays, forwards and back, at the speed that was chosen", { skip }, () =>
  onPage({ clock: "stopped" }, async (page) => {
    const place = async () => Number((await text(page, ".place")).split(" ")[0]);
    const moves = async () => {
      const before = await place();
      await pass(page, 1000);
      return (await place()) - before;
    };
    // A second has 62 frames of 16 ms or 63, and parts of a step are left at both ends.
    const near = (steps, expected) => assert.ok(Math.abs(steps - expected) <= 2, `${steps} steps, not about ${expected}`);
    await page.getByLabel("speed").selectOption("1");
    await press(page, "Escape");
    await page.locator("h1").click();
    await press(page, "Space");
    near(await moves(), 6);
    await page.getByLabel("speed").selectOption("16");
    await settled(page);
    near(await moves(), 96);
    await page.getByLabel("speed").selectOption("-4");
    await settled(page);
    near(await moves(), -24);
    await page.locator(".play").click();
    await settled(page);
    assert.equal(await moves(), 0);
  }),
);

test("outputs and columns appear when a run from the first output reaches them; a run that ends or is stopped shows all", { skip }, () =>
  onPage({ hash: "#mode=window&at=y,0,0,0", clock: "stopped" }, async (page) => {
    const [outputs, columns] = ["output", "columns"].map((pane) => () => page.locator(`.pane-${pane} .number`).count());
    const [all, whole] = [await outputs(), await columns()];
    await page.getByLabel("speed").selectOption("1");
    await page.locator(".play").click();
    await settled(page);
    assert.deepEqual([await outputs(), await columns()], [all / 9, whole / 9]);
    await pass(page, 550); // three outputs, of which each takes 167 ms
    assert.deepEqual([await outputs(), await columns()], [(4 * all) / 9, (4 * whole) / 9]);
    await page.locator(".play").click();
    await settled(page);
    assert.deepEqual([await outputs(), await columns()], [all, whole]);
    await page.locator(".scrubber").fill("2");
    await page.locator(".play").click();
    await settled(page);
    assert.equal(await outputs(), all); // it did not start at the first output
    await page.locator(".play").click();
    await page.locator(".scrubber").fill("0");
    await page.locator(".play").click();
    await settled(page);
    assert.ok((await outputs()) < all);
    await pass(page, 1600); // nine, around to the first output
    assert.equal(await outputs(), all);
    assert.equal(await page.locator(".play").getAttribute("aria-label"), "pause"); // it goes on
  }, TINY),
);

test("Shift and Space play the sum of an output, product by product", { skip }, () =>
  onPage({ hash: "#mode=window&at=y,0,1,1", clock: "stopped" }, async (page) => {
    const before = await text(page, ".sentence .equation");
    await press(page, "Shift+Space");
    for (let products = 1; products <= 4; products++) {
      assert.ok((await text(page, ".sentence")).includes(`${products} of 4 products: the sum so far is`));
      assert.equal(await page.locator(".term.coming").count(), 4 - products);
      assert.match(await page.locator(".play-sum").getAttribute("aria-label"), /^pause/);
      await pass(page, 410); // a product takes 400 ms
    }
    assert.equal(await page.locator(".play-sum").getAttribute("aria-label"), "play the sum");
    assert.equal(await text(page, ".sentence .equation"), before);
    assert.equal(await at(page), "y0,1,1");
    await page.getByRole("button", { name: "play the sum" }).click();
    await settled(page);
    assert.match(await text(page, ".sentence"), /1 of 4 products: the sum so far is/);
  }, TINY),
);

test("the scrubber goes anywhere", { skip }, () =>
  onPage({}, async (page) => {
    await page.locator(".scrubber").fill("35");
    await settled(page);
    assert.equal(await at(page), "y0,5,5");
    assert.equal(await page.locator(".scrubber").getAttribute("aria-valuetext"), "row 5, column 5");
  }, SMALL),
);

test("under reduced motion Space is one step", { skip }, () =>
  onPage({ reducedMotion: "reduce", clock: "stopped" }, async (page) => {
    await press(page, "Space");
    await pass(page, 1000);
    assert.equal(await at(page), "y0,0,1");
    assert.equal(await page.locator(".play").getAttribute("aria-label"), "one step");
  }, SMALL),
);

test("a key in a text field stays there, and several explorers do not hear each other", { skip }, () =>
  onPage({ owns: false }, async (page) => {
    await page.locator("#explorer-1 .pane-output .grid").hover();
    await page.mouse.move(2, 2);
    await press(page, "ArrowRight");
    assert.match(await text(page, "#explorer-0 .sentence"), /y\s*0, 0, 0/);
    await page.locator("#explorer-0 .shorthand").focus();
    await press(page, "ArrowRight");
    assert.match(await text(page, "#explorer-0 .sentence"), /y\s*0, 0, 0/);
  }, [SMALL[0], SMALL[0]]),
);

test("the explorer takes itself away", { skip }, () =>
  onPage({ owns: false }, async (page) => {
    await page.evaluate(() => window.leave[0]());
    assert.equal(await page.locator("#explorer-0 > *").count(), 0);
    await point(page, "#explorer-1 .pane-output .grid", 0.5, 0.5);
    await press(page, "ArrowRight", "Space", "Space");
    assert.match(await text(page, "#explorer-1 .sentence"), /^y/);
  }, [SMALL[0], SMALL[0]]),
);

test("? lists the keys, and Esc closes the list and changes nothing else", { skip }, () =>
  onPage({}, async (page) => {
    await press(page, "ArrowRight", "?");
    const list = page.getByRole("dialog", { name: "keys" });
    assert.match(await list.innerText(), /the output one row up, one row down/);
    await press(page, "ArrowRight", "Escape");
    assert.equal(await list.isVisible(), false);
    assert.equal(await at(page), "y0,0,1");
    await page.getByRole("button", { name: "keys" }).click();
    await list.getByRole("button", { name: "Close" }).click();
    assert.equal(await list.isVisible(), false);
  }, SMALL),
);

test("a phone and a touch screen get no hints of keys", { skip }, async () => {
  for (const context of [{ viewport: { width: 390, height: 844 } }, { hasTouch: true, isMobile: true }]) {
    await onPage(context, async (page) => {
      for (const hint of await page.locator(".with-keyboard").all()) assert.equal(await hint.isVisible(), false);
    }, SMALL);
  }
});

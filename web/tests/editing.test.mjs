// The reader's own numbers: cells typed over, fields beside the arguments, kernels by name, and the address that keeps them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { onPage, pass, point, press, settled, skip, text } from "./page.mjs";

const encoded = (shape, values) => ({ shape, dtype: "float32", data: Buffer.from(Float32Array.from(values).buffer).toString("base64") });
const counting = (length) => Array.from({ length }, (_, place) => place + 1);
const SMALL = [
  { problem: "1x1x4x4 1@3x3 s1 p0", input: encoded([1, 1, 4, 4], counting(16)), weight: encoded([1, 1, 3, 3], counting(9)), bias: encoded([1], [0]), inputKind: "array" },
];
const numbers = (page, pane) => page.locator(`.pane-${pane} .number`).allTextContents();
const read = async (page, pane) => (await numbers(page, pane)).map((each) => Number(each.replace("−", "-")));
const field = (page) => page.locator(".number-field input");
const doubleClick = async (page, pane, x, y) => {
  const box = await page.locator(`.pane-${pane} .grid`).boundingBox();
  await page.mouse.dblclick(box.x + x * box.width, box.y + y * box.height);
  await settled(page);
};

/** The valid 3 × 3 cross-correlation of 4 × 4 pixels, as it is defined. */
function defined(input, weight, bias) {
  return [0, 1, 4, 5].map((first) => weight.reduce((sum, w, k) => sum + w * input[first + Math.floor(k / 3) * 4 + (k % 3)], bias));
}

test("a weight, a pixel and the bias are edited, and the output is the definition's", { skip }, () =>
  onPage({}, async (page) => {
    const [input, weight] = [counting(16), counting(9)];
    assert.deepEqual(await read(page, "output"), defined(input, weight, 0));
    await doubleClick(page, "weight", 0.5, 0.5);
    await field(page).fill("-20");
    await press(page, "Enter");
    weight[4] = -20;
    assert.deepEqual(await read(page, "weight"), weight);
    assert.deepEqual(await read(page, "output"), defined(input, weight, 0));
    await doubleClick(page, "input", 0.9, 0.9);
    await field(page).fill("100");
    await press(page, "Enter");
    input[15] = 100;
    assert.deepEqual(await read(page, "output"), defined(input, weight, 0));
    await point(page, ".pane-output .grid", 0.2, 0.2, true);
    await page.getByRole("textbox", { name: "bias[0]" }).fill("7");
    await press(page, "Enter");
    assert.deepEqual(await read(page, "output"), defined(input, weight, 7));
    await page.waitForFunction(() => location.hash.includes("edit=w,0,4,-20;x,0,3,3,100;b,0,7"));
    const hash = await page.evaluate(() => location.hash);
    await page.evaluate(() => (location.hash = "#mode=window"));
    await settled(page);
    assert.deepEqual(await read(page, "output"), defined(counting(16), counting(9), 0));
    await page.evaluate((before) => (location.hash = before), hash);
    await settled(page);
    assert.deepEqual(await read(page, "output"), defined(input, weight, 7));
    await page.getByRole("button", { name: "reset numbers" }).click();
    await settled(page);
    assert.deepEqual(await read(page, "output"), defined(counting(16), counting(9), 0));
    assert.equal(await page.getByRole("button", { name: "reset numbers" }).isVisible(), false);
  }, SMALL),
);

test("Enter and F2 open the cell in focus, Tab goes on, Esc cancels, a wrong text is explained", { skip }, () =>
  onPage({ hash: "#at=w,0,1" }, async (page) => {
    await page.locator(".pane-weight .grid").focus();
    await press(page, "Enter");
    assert.equal(await field(page).inputValue(), "2");
    await field(page).fill("1,5");
    await press(page, "Enter");
    assert.match(await text(page, ".number-field .wrong"), /“1,5” is not a number: write 1\.5/);
    await field(page).fill("1e99");
    await press(page, "Enter");
    assert.match(await text(page, ".number-field .wrong"), /1e99 is too large for float32/);
    await field(page).fill("1.5");
    await press(page, "Tab");
    assert.equal(await field(page).inputValue(), "3");
    await press(page, "Tab");
    assert.equal(await field(page).inputValue(), "4");
    await field(page).fill("44");
    await press(page, "Escape");
    assert.equal(await field(page).count(), 0);
    assert.deepEqual(await read(page, "weight"), [1, 1.5, 3, 4, 5, 6, 7, 8, 9]);
    await press(page, "F2");
    assert.equal(await field(page).inputValue(), "1.5");
  }, SMALL),
);

test("a copy in the im2col matrix edits its pixel", { skip }, () =>
  onPage({}, async (page) => {
    await doubleClick(page, "columns", 0.1, 0.95); // row 8, column 0: pixel (2, 2)
    assert.equal(await field(page).inputValue(), "11");
    await field(page).fill("0");
    await press(page, "Enter");
    assert.equal((await read(page, "input"))[10], 0);
    assert.equal((await read(page, "columns")).filter((value) => value === 11).length, 0);
  }, SMALL),
);

test("a transposed layer's own weight and pixel are edited; an inserted zero is none of its numbers", { skip }, () =>
  onPage({ hash: "#at=w,0,0", clock: "stopped" }, async (page) => {
    await page.locator(".pane-weight .grid").focus();
    await press(page, "Enter");
    await field(page).fill("5");
    await press(page, "Enter");
    await pass(page, 1000); // the address follows after a rest
    assert.ok((await page.evaluate(() => location.hash)).includes("edit=w,0,3,5")); // flipped: the last of 2 × 2
    const before = await numbers(page, "input");
    await point(page, ".pane-input .grid", 0.5, 0.1, true);
    await doubleClick(page, "input", 0.5, 0.3);
    assert.equal(await field(page).count(), 0);
    assert.match(await text(page, ".number-field .wrong"), /not a number of the layer/);
    await pass(page, 3000);
    assert.equal(await page.locator(".number-field").count(), 0);
    assert.deepEqual(await numbers(page, "input"), before);
  }, [{ problem: "1x1x3x3 1@2x2 s2 p0 transposed" }]),
);

test("many edits stay on the page, and it says that the address does not keep them", { skip }, () =>
  onPage({ hash: `#problem=1x1x8x8 1@3x3 s1 p1&edit=${counting(50).map((place) => `x,0,${Math.floor(place / 8)},${place % 8},9`).join(";")}` }, async (page) => {
    assert.match(await text(page, ".numbers .note"), /50 numbers edited\.$/);
    await doubleClick(page, "weight", 0.5, 0.5);
    await field(page).fill("7"); // the weight is another
    await press(page, "Enter");
    assert.match(await text(page, ".numbers .note"), /51 numbers edited\. The address keeps up to 50 edits/);
    await page.waitForFunction(() => !location.hash.includes("edit="));
  }),
);

test("an edit of the address that has no place is told", { skip }, () =>
  onPage({ hash: "#problem=1x1x4x4 1@3x3&edit=w,0,9,1;b,0,2&kernel=nothing" }, async (page) => {
    assert.match(await text(page, ".explanation"), /w,0,9,1 names no number of .*; no kernel is named nothing/);
    assert.match(await text(page, ".numbers .note"), /1 number edited/);
  }),
);

test("kernels have names: their weights, for several channels, depthwise and larger, and in the address", { skip }, () =>
  onPage({ hash: "#problem=1x2x6x6 2@3x3 s1 p1 float64" }, async (page) => {
    const kernel = page.getByRole("combobox", { name: "kernel" });
    await kernel.selectOption("sobel-horizontal");
    await settled(page);
    const half = [-0.5, 0, 0.5, -1, 0, 1, -0.5, 0, 0.5];
    assert.deepEqual(await read(page, "weight"), [...half, ...half, ...half, ...half]);
    await page.waitForFunction(() => location.hash.includes("kernel=sobel-horizontal"));
    await page.getByRole("slider", { name: "groups", exact: true }).fill("1");
    await settled(page);
    assert.deepEqual(await read(page, "weight"), [...half, ...half].map((weight) => 2 * weight));
    await kernel.selectOption("emboss");
    await page.getByRole("slider", { name: "kernel_size", exact: true }).fill("4");
    await settled(page);
    assert.match(await text(page, ".numbers .note"), /emboss is defined only for 3 × 3, not for 4 × 4\. The layer’s own weights are drawn/);
    const disabled = await kernel.locator("option:disabled").allTextContents();
    assert.equal(disabled.length, 7);
    assert.match(disabled[1], /blur \(binomial\): needs an odd kernel_size/);
    await page.getByRole("slider", { name: "kernel_size", exact: true }).fill("5");
    await kernel.selectOption("blur");
    await settled(page);
    const binomial = [1, 4, 6, 4, 1].flatMap((one) => [1, 4, 6, 4, 1].map((other) => (one * other) / 256));
    const drawn = await read(page, "weight");
    assert.equal(drawn.length, 50);
    for (const [place, weight] of drawn.entries()) assert.ok(Math.abs(weight - binomial[place % 25]) <= 0.005 + 1e-12, `${place}: ${weight}`);
    await page.getByRole("button", { name: "reset numbers" }).click();
    await settled(page);
    assert.equal(await kernel.inputValue(), "");
  }),
);

test("one slider for an argument until H ≠ W is opened; it opens where the axes differ", { skip }, () =>
  onPage({ hash: "#problem=1x1x8x8 1@3x3 s1 p0" }, async (page) => {
    const slider = (name) => page.getByRole("slider", { name, exact: true });
    const slide = async (name, value) => {
      await slider(name).fill(String(value));
      await settled(page);
    };
    const shorthand = () => page.locator(".shorthand").inputValue();
    await slide("padding", 2);
    await slide("stride", 2);
    await slide("kernel_size", 5);
    await slide("dilation", 2);
    await slide("input_size", 9);
    assert.equal(await shorthand(), "1x1x9x9 1@5x5 s2 p2 d2");
    assert.equal(await slider("stride W").count(), 0);
    await page.getByLabel("H ≠ W").check();
    await slide("stride W", 1);
    assert.equal(await slider("stride").count(), 0);
    assert.equal(await shorthand(), "1x1x9x9 1@5x5 s2x1 p2 d2");
    await page.getByLabel("H ≠ W").uncheck();
    await settled(page);
    assert.equal(await shorthand(), "1x1x9x9 1@5x5 s2 p2 d2");
    await page.locator(".shorthand").fill("1x8x6 1@3x3 p0:1");
    await press(page, "Enter");
    assert.equal(await page.getByLabel("H ≠ W").isChecked(), true);
    assert.equal(await slider("input_size W").count(), 1);
    await page.getByRole("button", { name: "Transposed", exact: true }).click();
    await settled(page);
    assert.equal(await page.getByLabel("H ≠ W").isChecked(), false);
    await slide("output_padding", 0);
    assert.match(await shorthand(), /transposed$/);
  }),
);

test("a photograph is drawn in its colours, its channels in their tints, signed numbers in blue and orange", { skip }, () =>
  onPage({}, async (page) => {
    const fills = async (pane) => page.locator(`.pane-${pane} .cells > rect`).evaluateAll((all) => all.map((each) => each.getAttribute("fill").match(/\d+/g).map(Number)));
    assert.deepEqual((await fills("input")).slice(0, 4), [[255, 0, 128], [255, 0, 128], [255, 0, 128], [255, 0, 128]]); // the photograph
    const planes = await fills("input"); // each of four pixels
    assert.deepEqual([planes[4], planes[8], planes[12]], [[255, 96, 88], [0, 0, 0], [54, 78, 128]]);
    assert.deepEqual(await page.locator(".pane-input .plane-label").allTextContents(), ["photograph", "c = 0 · red", "c = 1 · green", "c = 2 · blue"]);
    assert.deepEqual((await fills("columns"))[0], [255, 96, 88]);
    const [weight] = await fills("weight");
    assert.ok(weight[0] > weight[2], "a positive weight is orange");
    await page.getByRole("slider", { name: "in_channels", exact: true }).fill("1");
    await settled(page);
    const [grey] = await fills("input");
    assert.ok(grey[0] === grey[1] && grey[1] === grey[2]);
  }, [{ problem: "1x3x2x2 1@1x1", input: encoded([1, 3, 2, 2], [1, 1, 1, 1, -1, -1, -1, -1, 0, 0, 0, 0]), weight: encoded([1, 3, 1, 1], [1, 1, 1]), inputKind: "image" }]),
);

test("what is transparent in a picture is white, as in Python", { skip }, () =>
  onPage({}, async (page) => {
    const buffer = await page.evaluate(async () => {
      const canvas = new OffscreenCanvas(4, 4);
      canvas.getContext("2d").clearRect(0, 0, 4, 4);
      return [...new Uint8Array(await (await canvas.convertToBlob()).arrayBuffer())];
    });
    await page.locator("input[type=file]").setInputFiles({ name: "clear.png", mimeType: "image/png", buffer: Buffer.from(buffer) });
    await page.getByText("clear.png stays in this page").waitFor();
    await settled(page);
    assert.deepEqual(await read(page, "input"), new Array(48).fill(1));
  }, [{ problem: "1x3x4x4 1@1x1" }]),
);

test("a double click on a number of a product edits that number", { skip }, () =>
  onPage({}, async (page) => {
    const number = (k, array) => page.locator(`.sentence .term[data-k="${k}"] [data-array=${array}]`);
    const [input, weight] = [counting(16), counting(9)];
    await number(1, "x").dblclick();
    await settled(page);
    assert.equal(await page.locator(".pane-input .number-field input").inputValue(), "2");
    await field(page).fill("-3");
    await press(page, "Enter");
    input[1] = -3;
    assert.deepEqual(await read(page, "output"), defined(input, weight, 0));
    await number(4, "w").dblclick();
    await settled(page);
    assert.equal(await page.locator(".pane-weight .number-field input").inputValue(), "5");
    await field(page).fill("0");
    await press(page, "Enter");
    weight[4] = 0;
    assert.deepEqual(await read(page, "output"), defined(input, weight, 0));
  }, SMALL),
);

test("a double click edits a number although the terms are drawn anew while the button is down", { skip }, () =>
  onPage({}, async (page) => {
    const { x, y, width, height } = await page.locator('.sentence .term[data-k="4"] [data-array=w]').boundingBox();
    await page.mouse.move(x + width / 2, y + height / 2);
    await page.mouse.down({ clickCount: 1 });
    await page.mouse.up({ clickCount: 1 });
    await page.mouse.down({ clickCount: 2 });
    await page.evaluate(() => document.querySelector(".sentence").replaceChildren(...[...document.querySelector(".sentence").childNodes].map((node) => node.cloneNode(true))));
    await page.mouse.up({ clickCount: 2 });
    await settled(page);
    assert.equal(await page.locator(".pane-weight .number-field input").inputValue(), "5");
  }, SMALL),
);

test("a double click on a zero of the padding says that it cannot be edited", { skip }, () =>
  onPage({ hash: "#problem=1x1x4x4 1@3x3 s1 p1&at=y,0,0,0", clock: "stopped" }, async (page) => {
    await page.locator('.sentence .term[data-k="0"] [data-array=x]').dblclick();
    await settled(page);
    await page.getByText("this zero is not a number of the layer").waitFor();
    assert.equal(await field(page).count(), 0);
  }),
);

const PHOTOGRAPH = Array.from({ length: 3 * 20 * 20 }, (_, place) => ((place * 7) % 41) / 20 - 1);

test("a small problem has whole numbers, and not the colours of a photograph that it does not show", { skip }, () =>
  onPage({ hash: "#problem=1x3x4x4 1@1x1" }, async (page) => {
    assert.ok((await read(page, "input")).every((value) => [0, 1, 2, 3].includes(value)));
    assert.equal(await page.locator(".pane-input .scale.photograph").count(), 0);
    await page.locator(".shorthand").fill("1x3x20x20 1@1x1");
    await press(page, "Enter");
    assert.equal(await page.locator(".pane-input .scale.photograph").count(), 1);
  }, [{ problem: "1x3x20x20 1@1x1", input: encoded([1, 3, 20, 20], PHOTOGRAPH), inputKind: "image" }]),
);

test("a small image that the page was made for is resampled as the input's size changes", { skip }, () =>
  onPage({}, async (page) => {
    const ones = new Array(48).fill(1);
    assert.deepEqual(await read(page, "input"), ones);
    await page.getByRole("slider", { name: "input_size", exact: true }).fill("3");
    await settled(page);
    assert.deepEqual(await read(page, "input"), ones.slice(0, 27));
    assert.equal(await page.locator(".pane-input .scale.photograph").count(), 1);
  }, [{ problem: "1x3x4x4 1@1x1", input: encoded([1, 3, 4, 4], new Array(48).fill(1)), inputKind: "image" }]),
);

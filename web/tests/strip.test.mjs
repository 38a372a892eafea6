// Layers one after another: what each reads, what an output depends on, and how layers are added.
import assert from "node:assert/strict";
import { test } from "node:test";
import { onPage, press, settled, skip, text } from "./page.mjs";

const tensor = (shape, values) => ({ shape, dtype: "float32", data: Buffer.from(Float32Array.from(values).buffer).toString("base64") });
const ONE = { problem: "1x1x4x4 1@1x1 s1 p0 nobias", input: tensor([1, 1, 4, 4], [1, -2, 3, -4, 5, 6, -7, 8, 9, 10, 11, 12, -13, 14, 15, -16]), weight: tensor([1, 1, 1, 1], [2]) };
const MODEL = [{
  ...ONE,
  layers: [
    { name: "0", kind: "conv", text: ONE.problem, weight: ONE.weight },
    { name: "1", kind: "relu", text: "relu" },
    { name: "2", kind: "maxpool", text: "maxpool 2" },
    { name: "3", kind: "conv", text: "1x1x2x2 1@2x2 s1 p0 nobias", weight: tensor([1, 1, 2, 2], [1, 10, 100, 1000]) },
  ],
}];

test("a layer reads what ReLU and pooling make of the layer before, with the model's weights", { skip }, () =>
  onPage({}, async (page) => {
    await page.locator(".layer-block[data-name='3']").click();
    await settled(page);
    // 2·max of each quarter: 12, 16, 28, 30
    assert.match(await text(page, ".sentence .equation"), new RegExp(`= ${(12 + 160 + 2800 + 30000).toLocaleString("en").replace(",", ".?")}$`));
    assert.match(await text(page, ".layer-field"), /depends on 4 × 4 pixels of the image\./);
    assert.match(await page.evaluate(() => location.hash || "#"), /^#/);
    const mark = page.locator(".layer-block").first().locator("rect");
    assert.deepEqual([await mark.getAttribute("width"), await mark.getAttribute("height")], ["4", "4"]);
  }, MODEL),
);

test("ReLU and pooling open to what goes in and what comes out", { skip }, () =>
  onPage({}, async (page) => {
    await page.locator(".layer-block[data-kind=maxpool]").click();
    const step = page.locator(".layer-step");
    assert.match(await step.innerText(), /Max pooling keeps the largest number of each window/);
    assert.equal(await step.locator(".grid").count(), 2);
    assert.deepEqual((await step.locator(".grid").last().locator(".number").allTextContents()).map(Number), [12, 16, 28, 30]);
    await step.getByRole("button", { name: "close" }).click();
    assert.equal(await step.isVisible(), false);
  }, MODEL),
);

test("layers are added in shorthand, kept in the address, and removed", { skip }, () =>
  onPage({ hash: "#problem=1x1x12x12 2@3x3 s1 p0" }, async (page) => {
    const add = async (words) => {
      await page.getByRole("combobox", { name: "a layer in shorthand" }).fill(words);
      await press(page, "Enter");
    };
    await page.locator(".actions").getByRole("button", { name: "+ layer" }).click();
    for (const words of ["relu", "maxpool 2", "4@3x3 p1"]) await add(words);
    assert.equal(await page.locator(".layer-blocks button").count(), 4);
    await page.locator(".layer-block[data-name='3']").click();
    await settled(page);
    assert.equal(await text(page, ".pane-input .shape"), "[1, 2, 5, 5]");
    await page.waitForFunction(() => decodeURIComponent(location.hash).replaceAll("+", " ").includes("layers=1x1x12x12 2@3x3 s1 p0 relu maxpool 2 4@3x3 p1&layer=4"));
    const sum = await text(page, ".sentence .equation");
    await page.reload();
    await page.locator(".layer-block[data-name='3'][aria-pressed=true]").waitFor();
    assert.equal(await text(page, ".sentence .equation"), sum);
    await add("9@9x9");
    assert.match(await text(page, ".explanation"), /9@9x9: the kernel spans 9 positions/);
    await page.getByRole("button", { name: "− layer" }).click();
    await settled(page);
    assert.equal(await page.locator(".layer-blocks button").count(), 3);
    assert.equal(await text(page, ".pane-input .shape"), "[1, 1, 12, 12]"); // the layer that was open is gone
  }),
);

test("channels that do not fit are said", { skip }, () =>
  onPage({ hash: "#problem=1x1x8x8 2@3x3 s1 p0&layers=1x1x8x8 2@3x3 s1 p0 1x5x6x6 4@3x3" }, async (page) => {
    assert.equal(await text(page, ".layer-misfit"), "layer 2 reads 5 channels, but layer 1 writes 2, so layer 2 reads random numbers instead.");
  }),
);

test("a slider changes the open layer in the strip, and the ones after it follow", { skip }, () =>
  onPage({ hash: "#problem=1x1x8x8 2@3x3 s1 p0&layers=1x1x8x8 2@3x3 s1 p0 relu 4@3x3" }, async (page) => {
    await page.locator(".shorthand").fill("1x1x8x8 5@3x3 s1 p1");
    await press(page, "Enter");
    await settled(page);
    await page.locator(".layer-block[data-name='2']").click();
    await settled(page);
    assert.equal(await text(page, ".pane-input .shape"), "[1, 5, 8, 8]");
  }),
);

test("the example of two layers: what each writes, and edits of both, which stay when another is opened, and in the link", { skip }, () =>
  onPage({}, async (page) => {
    const outputs = async () => (await page.locator(".pane-output .number").allTextContents()).map((each) => Number(each.replace("−", "-")));
    const edit = async (pane, value) => {
      await page.locator(`.pane-${pane} .grid`).dblclick({ position: { x: 8, y: 24 } });
      await page.locator(".number-field input").fill(String(value));
      await press(page, "Enter");
    };
    const open = async (layer) => {
      await page.locator(`.layer-block[data-name='${layer}']`).click();
      await settled(page);
    };
    await page.getByRole("button", { name: "Two layers" }).click();
    await settled(page);
    assert.deepEqual(await outputs(), [2, 2, 0, 0, 4, 4, 0, 0, 6, 6, -1, -1, 6, 6, -2, -2, 2, 4, 6, 6, 2, 4, 6, 6, 0, 0, -1, -2, 0, 0, -1, -2]);
    await open(3); // of the largest of each quarter, 4 0 6 0 and 4 6 0 0, negative numbers as 0
    assert.deepEqual(await outputs(), [20, -20]);
    assert.equal(await page.getByRole("button", { name: "Two layers" }).getAttribute("aria-pressed"), "true");
    await edit("weight", 3); // in place of 1, times 4
    assert.deepEqual(await outputs(), [28, -20]);
    await open(0);
    await edit("weight", -2); // in place of −1, in windows that start with 2
    const first = await outputs();
    assert.deepEqual(first.slice(8, 12), [6, 6, -3, -3]);
    await open(3);
    assert.deepEqual(await outputs(), [28, -20]); // the largest of each quarter are as before
    assert.match(await text(page, ".numbers .note"), /1 number edited/);
    await page.waitForFunction(() => location.hash.includes("edit1="));
    await page.reload();
    await page.locator(".layer-block[data-name='3'][aria-pressed=true]").waitFor();
    await settled(page);
    assert.deepEqual(await outputs(), [28, -20]);
    await open(0);
    assert.deepEqual(await outputs(), first);
    await page.getByRole("button", { name: "reset numbers" }).click();
    await settled(page);
    assert.deepEqual((await outputs()).slice(8, 12), [6, 6, -1, -1]);
  }),
);

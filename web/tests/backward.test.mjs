// Backward: what an output sends, what pixels and weights add up, and how the panes follow.
import assert from "node:assert/strict";
import { test } from "node:test";
import { onPage, point, press, rectangles, settled, skip, text } from "./page.mjs";
import { sources } from "./sources.mjs";

const SMALL = "1x2x5x5 3@3x3 s2 p1"; // outputs of 3 × 3
const at = (focus, { problem = SMALL, choice = "input" } = {}) => ({ hash: `#problem=${problem}&mode=backward&choice=${choice}&at=${focus}` });
const ones = (shape) => ({ shape, dtype: "float32", data: Buffer.from(new Float32Array(shape.reduce((product, size) => product * size)).fill(1).buffer).toString("base64") });
const ONES = [{ problem: SMALL, input: ones([1, 2, 5, 5]), weight: ones([3, 2, 3, 3]) }];
const number = (written) => Number(written.replace("−", "-"));
const last = async (page) => number(await text(page, ".sentence .equation strong"));
const marks = (page, pane, role) => rectangles(page, `${pane} .mark.${role}`);
const [ARRIVING, SENT] = [".pane-input >> nth=0 >>", ".pane-input >> nth=1 >>"];

const { inputGradientProblem, parse, Scene, toGradientFocus, fromGradientFocus, within } = await sources(`
export { inputGradientProblem } from "./numerics/gradients";
export { parse } from "./model/shorthand";
export { Scene } from "./numerics/scene";
export { toGradientFocus, fromGradientFocus } from "./modes/backward/gradient_focus";
export { within } from "./model/focus";`);

test("every focus has its counterpart in the gradient's convolution, and comes back", () => {
  for (const text of [SMALL, "1x6x7x8 4@3x2 s2x1 p1:0x2 d1x2 g2", "1x4x8x8 4@3x3 s1 p1 g4", "1x1x5x5 1@3x3 s2 p1 transposed o1", "1x2x6x6 3@1x1 s1 p2"]) {
    const scene = new Scene(parse(text), {}, text);
    const mirror = inputGradientProblem(scene.problem);
    const { inChannels, outChannels, inputSize } = scene.problem;
    const [height, width] = scene.axes;
    const all = [];
    for (let filter = 0; filter < outChannels; filter++) {
      for (let place = 0; place < scene.positions; place++) {
        all.push({ kind: "output", filter, row: Math.floor(place / width.outputSize), column: place % width.outputSize, tap: null });
      }
      for (let k = 0; k < (inChannels / scene.problem.groups) * height.kernelSize * width.kernelSize; k++) all.push({ kind: "weight", filter, k });
    }
    for (let place = 0; place < inChannels * inputSize[0] * inputSize[1]; place++) {
      const [channel, pixel] = [Math.floor(place / (inputSize[0] * inputSize[1])), place % (inputSize[0] * inputSize[1])];
      all.push({ kind: "input", channel, row: Math.floor(pixel / inputSize[1]), column: pixel % inputSize[1] });
    }
    for (const focus of all) {
      const there = toGradientFocus(scene, focus);
      assert.deepEqual(within(mirror, there), there, `${text}: outside`);
      assert.deepEqual(fromGradientFocus(scene, there), focus, text);
    }
  }
});

test("a pixel adds up what comes back from the outputs that used it", { skip }, () =>
  onPage(at("x,1,1,1"), async (page) => {
    const shown = (await page.locator(".pane-input .cells").first().locator("text:not(.padding)").allTextContents()).map(number); // three planes of 3 × 3
    assert.equal(shown.length, 27);
    const read = [0, 1, 3, 4]; // four windows hold pixel (1, 1), and every weight is 1
    const sum = [0, 9, 18].flatMap((plane) => read.map((place) => shown[plane + place])).reduce((one, other) => one + other);
    assert.equal(await last(page), sum);
    assert.match(await text(page, ".sentence"), /4 windows read the pixel \(2 down × 2 across\), each for 3 filters/);
    const drawn = await page.locator(".pane-input .cells").nth(1).locator("text").allTextContents();
    assert.equal(number(drawn[25 + 6]), sum);
  }, ONES),
);

test("a weight adds up the pixels it met, and a bias all that arrived", { skip }, () =>
  onPage(at("w,1,4", { choice: "weight" }), async (page) => {
    const arrived = (await page.locator(".pane-output .cells text").allTextContents()).map(number);
    const sum = arrived.slice(9, 18).reduce((one, other) => one + other);
    assert.equal(await last(page), sum); // the middle weight is never on padding
    assert.equal(number((await page.locator(".pane-weight .cells text").allTextContents())[18 + 4]), sum);
    assert.match(await text(page, ".sentence"), /The weight is used 9 times\./);
    await point(page, ".pane-output .mark.window", 0.5, 0.5, true);
    assert.match(await text(page, ".sentence"), new RegExp(`∂L/∂b is ${String(sum).replace("-", "−")},`));
  }, ONES),
);

test("the window stands where an output sends, and where a pixel gathers", { skip }, () =>
  onPage(at("y,1,1,1"), async (page) => {
    assert.deepEqual([(await marks(page, ARRIVING, "window")).length, (await marks(page, SENT, "window")).length], [1, 2]);
    const [cell] = await marks(page, ARRIVING, "window");
    const [sent] = await marks(page, SENT, "window");
    const grid = await page.locator(".pane-input .grid").nth(1).boundingBox();
    await page.mouse.click(grid.x + sent.x + sent.width / 2, grid.y + sent.y + sent.height / 2);
    await settled(page);
    assert.match(await text(page, ".sentence"), /∂L\/∂x\s*0, 2, 2/);
    const gathered = await marks(page, ARRIVING, "window");
    assert.equal(gathered.length, 3); // one a filter
    assert.equal(Math.round((gathered[0].width - 2) / (cell.width - 2)), 3);
    assert.equal((await marks(page, ".pane-columns", "use")).length, 1); // pixel (2, 2) is in the middle of one window
    assert.equal((await marks(page, ".pane-weight", "window")).length, 3);
  }, ONES),
);

test("an output leads to a share, a share to its output", { skip }, () =>
  onPage(at("y,0,1,1"), async (page) => {
    assert.match(await text(page, ".sentence"), /contributes .* to ∂L\/∂x\s*\d, \d, \d/s);
    await page.locator(".sentence .term").first().click();
    await settled(page);
    assert.match(await text(page, ".sentence"), /Product \d+: ∂L\/∂x/);
    assert.deepEqual([(await marks(page, ARRIVING, "tap")).length, (await marks(page, SENT, "tap")).length, (await marks(page, ".pane-weight", "tap")).length], [1, 1, 1]);
    await press(page, "Shift+ArrowRight", "ArrowRight");
    assert.match(await text(page, ".sentence"), /∂L\/∂y\s*0, 1, 2/);
  }),
);

test("a zero between stands for nothing, and arrows walk over it", { skip }, () =>
  onPage(at("y,0,0,0"), async (page) => {
    const before = await text(page, ".sentence");
    const [cell] = await marks(page, ARRIVING, "window");
    const grid = await page.locator(".pane-input .grid").first().boundingBox();
    await page.mouse.click(grid.x + cell.x + 1.5 * cell.width, grid.y + cell.y + 0.5 * cell.height);
    await settled(page);
    assert.equal(await text(page, ".sentence"), before);
    await page.locator(".pane-input .grid").first().focus();
    await press(page, "ArrowRight", "ArrowDown");
    assert.match(await text(page, ".sentence"), /∂L\/∂y\s*0, 1, 1/);
  }),
);

test("what no window reads and what a transposed layer lays between get nothing", { skip }, async () => {
  await onPage(at("x,0,9,9", { problem: "1x1x10x10 1@3x3 s2 p0" }), async (page) => {
    assert.match(await text(page, ".sentence"), /= 0\s+No window reads this pixel/);
  });
  await onPage(at("x,0,1,1", { problem: "1x1x5x5 1@3x3 s2 p1 transposed o1" }), async (page) => {
    assert.match(await text(page, ".sentence"), /its gradient is not used/);
  });
});

test("both gradients of a large layer are whole after a while, and say what they are as convolutions", { skip }, () =>
  onPage(at("y,3,20,20", { problem: "1x64x56x56 64@3x3 s1 p1 nobias" }), async (page) => {
    const scale = (pane) => page.locator(`${pane} .scale`).last().getAttribute("data-end");
    await page.waitForFunction(() => Number(document.querySelector(".pane-columns .scale").dataset.end) > 1);
    assert.ok(Number(await scale(".pane-input")) > 1);
    assert.match(await text(page, ".formula"), /1x64x56x56 64@3x3 s1 p1 nobias/);
    await page.locator("button[data-name=weight]").click();
    await page.waitForFunction(() => Number(document.querySelector(".pane-weight .scale").dataset.end) > 100);
    assert.match(await text(page, ".formula"), /64x1x56x56 64@56x56 s1 p1 nobias/);
  }),
);

test("groups, holes, uneven padding and single taps are drawn, with words for each pane", { skip }, async () => {
  for (const problem of ["1x4x8x8 4@3x3 s1 p1 g2", "1x4x8x8 4@3x3 s1 p1 g4", "1x1x12x12 1@3x3 s1 p0 d3", "1x1x8x8 1@4x4 s1 psame", "1x4x8x8 3@1x1 s1 p0", "1x1x5x5 1@3x3 s2 p1 transposed o1", "4x2x6x6 2@3x3 s1 p1"]) {
    for (const choice of ["input", "weight"]) {
      await onPage(at("y,0,1,1", { problem, choice }), async (page) => {
        assert.equal(await page.locator(".pane .alternative").count(), 4);
        for (const said of await page.locator(".pane .alternative").allTextContents()) assert.doesNotMatch(said, /NaN|undefined/);
        for (const focus of ["x,0,3,3", "w,0,0"]) {
          await page.evaluate((to) => (location.hash = location.hash.replace(/at=[^&]*/, `at=${to}`)), focus);
          await settled(page);
          assert.doesNotMatch(await text(page, ".sentence"), /NaN|undefined/);
        }
      });
    }
  }
});

const GRADIENTS = {
  input: { kernel: "winograd4", reason: "predicted to be faster than PyTorch", seconds: 0.0012, pytorchSeconds: 0.0031 },
  weight: { kernel: null, reason: "kernels would save less than they cost", seconds: null, pytorchSeconds: 0.0001 },
};

test("it says which kernel computes a gradient in training, or that PyTorch does", { skip }, () =>
  onPage(at("y,0,0,0"), async (page) => {
    assert.match(await text(page, ".formula"), /in training by the kernel winograd4$/);
    assert.equal(await text(page, ".computed-by"), "In training it is computed by the kernel winograd4: predicted to be faster than PyTorch, 1.20 ms and not 3.10 ms on the machine that wrote this page.");
    await page.getByRole("button", { name: "weight gradient" }).click();
    await settled(page);
    assert.match(await text(page, ".formula"), /in training by PyTorch$/);
    assert.equal(await text(page, ".computed-by"), "In training it is computed by PyTorch: kernels would save less than they cost.");
  }, [{ problem: "1x2x5x5 3@3x3 s2 p1", gradients: GRADIENTS }]),
);

test("of another problem it says how to ask", { skip }, () =>
  onPage(at("y,0,0,0", { problem: "1x2x6x6 3@3x3" }), async (page) => {
    assert.doesNotMatch(await text(page, ".formula"), /in training/);
    assert.match(await text(page, ".computed-by"), /glassconv explain 1x2x6x6 3@3x3 s1 p0 --backward$/);
  }, [{ problem: "1x2x5x5 3@3x3 s2 p1", gradients: GRADIENTS }]),
);

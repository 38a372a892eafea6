// Verify: every output's error under its bound, and the one in focus in numbers.
import assert from "node:assert/strict";
import { test } from "node:test";
import { onPage, point, press, rectangles, settled, skip, text } from "./page.mjs";

const at = (problem, more) => ({ hash: `#problem=${problem}&mode=verify&at=y,0,1,2&${more ?? ""}` });

test("the error of the output in focus is told with its bound, and stays under it", { skip }, () =>
  onPage(at("1x3x24x24 2@3x3 s1 p1"), async (page) => {
    const said = await text(page, ".sentence");
    const [, error, bound] = /= (0|[\d.]+·10\S+) ≤ .*= ([\d.]+·10\S+)/.exec(said) ?? [];
    assert.ok(number(error) <= number(bound), said);
    assert.match(said, /28 · 2⁻²⁴ · \(Σ\|x\|\|w\| \+ \|b\|\)/);
    assert.match(await text(page, ".verdict"), /^Right\. The worst of 1152 outputs, y.*, used [\d.]+ % of its bound\.$/);
  }),
);

test("the map and the points follow the focus, and lead to it", { skip }, () =>
  onPage(at("1x1x24x24 1@3x3 s1 p1"), async (page) => {
    const before = (await rectangles(page, ".pane-errors .mark.window"))[0];
    const dot = await page.locator(".scatter .mark.window").getAttribute("cx");
    await press(page, "ArrowRight");
    const after = (await rectangles(page, ".pane-errors .mark.window"))[0];
    assert.ok(after.x > before.x && after.y === before.y);
    assert.notEqual(await page.locator(".scatter .mark.window").getAttribute("cx"), dot);
    await point(page, ".pane-errors .grid", 0.02, 0.02, true);
    assert.match(await text(page, ".sentence"), /y0, 0, 0/);
    const worst = await page.locator(".scatter .mark.read").evaluate((circle) => [Number(circle.getAttribute("cx")), Number(circle.getAttribute("cy"))]);
    const box = await page.locator(".scatter").boundingBox();
    await point(page, ".scatter", worst[0] / box.width, worst[1] / box.height, true);
    const [, named] = /worst of 576 outputs, (y[\d, ]+\d), used/.exec(await text(page, ".verdict"));
    assert.ok((await text(page, ".sentence")).includes(named), named);
  }),
);

test("whole numbers are exact", { skip }, () =>
  onPage({ hash: "#preset=worked-example&problem=1x3x5x5 2@3x3 s2 p1 float64&mode=verify&at=y,0,1,1" }, async (page) => {
    assert.equal(await text(page, ".verdict"), "All of 18 outputs equal the definition.");
    assert.match(await text(page, ".sentence"), /this output is exact/);
  }),
);

test("PyTorch's output is judged where it is known, waited for where it is not", { skip }, async () => {
  const problem = "1x1x2x2 1@2x2 s1 p0 nobias";
  const numbers = { input: tensor([1, 1, 2, 2], [1, 2, 3, 4]), weight: tensor([1, 1, 2, 2], [1, 1, 1, 1]) };
  await onPage(at(problem, "choice=pytorch"), (page) => page.getByText("PyTorch’s output is not known here").waitFor(), [{ problem, ...numbers }]);
  const wrong = { problem, ...numbers, output: tensor([1, 1, 1, 1], [10.5]) };
  await onPage(at(problem, "choice=pytorch"), async (page) => {
    await settled(page);
    assert.match(await text(page, ".verdict"), /^Wrong\. /);
  }, [wrong]);
});

test("Winograd is held to a bound of its own, and refused where it cannot run", { skip }, async () => {
  await onPage(at("1x3x12x12 2@3x3 s1 p1", "choice=winograd4"), async (page) => {
    assert.match(await text(page, ".verdict"), /^Right\. /);
    assert.match(await text(page, ".sentence"), /γ[₀-₉]+ · \(\|Aᵀ\|\[\(\|G\|\|w\|\) ⊙ \(\|Bᵀ\|\|x\|\)\] \+ \|b\|\)/);
  });
  await onPage(at("1x3x12x12 2@3x3 s2 p1", "choice=winograd4"), (page) => page.getByText("Winograd needs stride 1").waitFor());
});

function tensor(shape, values) {
  return { shape, dtype: "float32", data: Buffer.from(Float32Array.from(values).buffer).toString("base64") };
}

function number(written) {
  const [mantissa, exponent = ""] = written.split("·10");
  return Number(`${mantissa}e${[...exponent].map((digit) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹".indexOf(digit)).map((place) => (place ? place - 1 : "-")).join("") || 0}`);
}

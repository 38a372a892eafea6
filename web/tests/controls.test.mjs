// Every hyper-parameter, settings that cannot be, examples, and what can be taken away.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { onPage, pass, press, settled, skip, text } from "./page.mjs";

const slide = async (page, name, value) => {
  await page.getByRole("slider", { name, exact: true }).fill(String(value));
  await settled(page);
};
const shorthand = (page) => page.locator(".shorthand").inputValue();
const explanation = (page) => text(page, ".explanation");
const shape = (page) => text(page, ".pane-output .shape");

test("sliders for every hyper-parameter recompute at once", { skip }, () =>
  onPage({}, async (page) => {
    await page.getByLabel("H ≠ W").check();
    await slide(page, "kernel_size H", 3);
    await slide(page, "stride W", 2);
    await slide(page, "padding ↑", 1);
    await slide(page, "padding →", 2);
    await slide(page, "dilation H", 2);
    await slide(page, "out_channels", 5);
    await slide(page, "input_size W", 20);
    assert.equal(await shorthand(page), "1x3x32x20 5@3x5 s1x2 p1:0x0:2 d2x1");
    assert.equal(await shape(page), "[1, 5, 29, 9]");
    await page.getByRole("checkbox", { name: "bias" }).uncheck();
    await settled(page);
    assert.match(await shorthand(page), /nobias$/);
    assert.equal(await explanation(page), "");
  }),
);

test("groups go from 1 to depthwise, and the filters follow", { skip }, () =>
  onPage({}, async (page) => {
    await slide(page, "groups", 1);
    assert.equal(await shorthand(page), "1x3x32x32 3@5x5 s1 p0 g3");
    assert.match(await explanation(page), /groups must divide out_channels, but 1 is not a multiple of 3: out_channels is now 3/);
    assert.equal(await page.getByRole("slider", { name: "groups" }).getAttribute("aria-valuetext"), "3, depthwise");
  }),
);

test("a kernel that does not fit explains itself and is clamped", { skip }, () =>
  onPage({}, async (page) => {
    await slide(page, "kernel_size", 11);
    assert.equal(await shorthand(page), "1x1x5x5 1@5x5 s1 p0");
    assert.match(await explanation(page), /the kernel spans 11 positions of the height .* The nearest valid value is kernel_size 5/);
  }, [{ problem: "1x1x5x5 1@3x3" }]),
);

test("'same' pads, unevenly for an even kernel, and needs stride 1", { skip }, () =>
  onPage({}, async (page) => {
    await page.getByLabel("'same'").check();
    await page.getByLabel("H ≠ W").check();
    await slide(page, "kernel_size W", 4);
    assert.equal(await shorthand(page), "1x3x32x32 1@5x4 s1 psame");
    assert.equal(await shape(page), "[1, 1, 32, 32]");
    assert.match(await text(page, ".pane-input .note"), /1 before, 2 after/);
    await slide(page, "stride H", 2);
    assert.match(await explanation(page), /padding='same' keeps the size only with stride 1, got stride 2 × 1: the same padding is now given as numbers/);
    assert.equal(await shorthand(page), "1x3x32x32 1@5x4 s2x1 p2x1:2");
  }),
);

test("a transposed convolution has an output_padding, and zeros between its pixels", { skip }, () =>
  onPage({}, async (page) => {
    await page.getByLabel("transposed").check();
    await slide(page, "stride", 2);
    await page.getByLabel("H ≠ W").check();
    await slide(page, "output_padding W", 5);
    assert.match(await explanation(page), /output_padding must be smaller than the stride or the dilation/);
    assert.equal(await shape(page), "[1, 1, 11, 12]");
    assert.match(await text(page, ".pane-input h2"), /inserted zeros/);
  }, [{ problem: "1x1x5x5 1@3x3" }]),
);

test("a problem can be typed, and a wrong one says what is wrong", { skip }, () =>
  onPage({}, async (page) => {
    await page.locator(".shorthand").fill("8x16x16 4@3x3 s2 p1");
    await press(page, "Enter");
    assert.equal(await shape(page), "[1, 4, 8, 8]");
    await page.locator(".shorthand").fill("8x16x16 4@3y3");
    await press(page, "Enter");
    assert.match(await text(page, ".error"), /filters are written OUT@KxK/);
    assert.equal(await shape(page), "[1, 4, 8, 8]");
  }),
);

test("every example opens, in every mode", { skip }, () =>
  onPage({}, async (page) => {
    const names = await page.locator(".presets button").allInnerTexts();
    assert.ok(names.length >= 10);
    for (const mode of await page.locator(".modes button").all()) {
      await mode.click();
      for (const button of await page.locator(".presets button").all()) {
        await button.click();
        await settled(page);
        assert.equal(await button.getAttribute("aria-pressed"), "true");
        assert.ok((await page.locator(".stage > *").count()) > 0);
      }
    }
  }),
);

test("an address restores the exact state", { skip }, () =>
  onPage({}, async (page) => {
    await page.getByRole("button", { name: "Edge detectors" }).click();
    await page.getByRole("button", { name: "Matrix" }).click();
    await slide(page, "stride", 2);
    await page.locator(".pane-output .grid").click();
    await press(page, "Shift+ArrowRight", "]");
    await page.getByRole("button", { name: "theme" }).click();
    await page.getByRole("button", { name: "FLOPs" }).click();
    await settled(page);
    const state = () => page.evaluate(() => [...document.querySelectorAll(".stage, .sentence, .costs")].map((each) => each.innerText).join());
    const before = await state();
    await page.waitForFunction(() => /theme=dark.*count=flops/.test(location.hash)); // it is told once the state stands
    const address = page.url();
    await page.goto("about:blank");
    await page.goto(address);
    await page.locator(".stage > *").first().waitFor();
    await settled(page);
    assert.equal(await state(), before);
    assert.equal(await page.locator(".glassconv").getAttribute("data-theme"), "dark");
    assert.equal(page.url(), address);
  }),
);

test("an address that says nonsense is no harm", { skip }, () =>
  onPage({ hash: "#problem=<img>&at=y,99,99,99&mode=nothing&speed=7&theme=pink" }, async (page) => {
    assert.match(await text(page, ".error"), /The link has no valid problem/);
    assert.match(await text(page, ".sentence"), /y\s*0, 27, 27/);
  }),
);

test("the layer is copied as PyTorch code, the address as a link", { skip }, () =>
  onPage({ permissions: ["clipboard-read", "clipboard-write"], clock: "stopped" }, async (page) => {
    const pasted = () => page.evaluate(() => navigator.clipboard.readText());
    await page.getByRole("button", { name: "PyTorch" }).click();
    await page.getByText("PyTorch code copied").waitFor();
    assert.match(await pasted(), /conv = nn\.Conv2d\(3, 4, 3, stride=2, padding=1, bias=False\)\nwith torch\.no_grad\(\):\n    conv\.weight\.copy_\(torch\.tensor\(\[\[\[\[1\., -1\., -1\.\]/);
    await page.getByRole("button", { name: "Link" }).click();
    await page.getByText("link copied").waitFor();
    assert.match(await pasted(), /#problem=1x3x9x9/);
    await pass(page, 5000);
    assert.equal(await page.getByText("link copied").count(), 0);
  }, [{ problem: "1x3x9x9 4@3x3 s2 p1 nobias" }]),
);

test("what is drawn is saved as SVG and as PNG", { skip }, () =>
  onPage({}, async (page) => {
    for (const [name, start] of [["SVG", "<svg"], ["PNG", "\x89PNG"]]) {
      const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name, exact: true }).click()]);
      const content = await readFile(await download.path(), "latin1");
      assert.ok(content.startsWith(start), name);
      assert.ok(content.length > 10_000, `${content.length}`);
    }
  }),
);

test("what is saved has a title, the problem and the equation, at a legible size", { skip }, async () => {
  for (const colorScheme of ["light", "dark"]) {
    await onPage({ colorScheme, hash: "#problem=1x1x5x5 1@3x3 s1 p1&mode=matrix&at=y,0,2,3" }, async (page) => {
      const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "SVG", exact: true }).click()]);
      const lines = await page.evaluate((svg) => {
        const texts = new DOMParser().parseFromString(svg, "image/svg+xml").querySelectorAll("svg > text");
        return [...texts].map((each) => [each.textContent, parseFloat(each.getAttribute("font-size")), Number(each.getAttribute("y"))]);
      }, await readFile(await download.path(), "utf8"));
      assert.deepEqual(lines[0].slice(0, 2), ["Matrix", 20]);
      assert.deepEqual(lines[1].slice(0, 2), ["1x1x5x5 1@3x3 s1 p1", 15]);
      const spoken = (await page.locator(".sentence .equation").innerText()).replaceAll(/\s+/g, "");
      const below = lines.filter(([, , y]) => y > Math.max(...lines.filter(([words]) => words === "Output matrix").map(([, , at]) => at)));
      assert.ok(below.map(([words]) => words).join("").replaceAll(/\s+/g, "").endsWith(spoken), spoken);
      const sum = lines[lines.length - 1];
      assert.ok(sum[1] >= 12, String(sum));
    });
  }
});

test("what is saved holds every line that is seen, in every mode", { skip }, () =>
  onPage({ hash: "#problem=1x2x8x8 2@3x3 s1 p1" }, async (page) => {
    for (const mode of await page.locator(".modes button").all()) {
      await mode.click();
      await settled(page);
      const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "SVG", exact: true }).click()]);
      const saved = (await readFile(await download.path(), "utf8")).replaceAll(/<[^>]*>|\s+/g, "");
      const seen = (await page.locator(".stage").innerText()).split("\n").map((line) => line.trim()).filter((line) => line);
      const alternatives = await page.locator(".stage :is(.alternative, .pane-caption)").allTextContents(); // captions may end in …
      for (const line of seen.filter((each) => !alternatives.includes(each))) assert.ok(saved.includes(line.replaceAll(/\s+/g, "")), `${await mode.innerText()}: ${line}`);
    }
  }),
);

test("the reader's own picture comes by dialog or by drop, and asks for nothing", { skip }, () =>
  onPage({}, async (page) => {
    const requests = [];
    page.on("request", (request) => requests.push(request.url()));
    const before = await text(page, ".sentence");
    const buffer = await page.locator(".pane-output canvas").screenshot();
    await page.locator("input[type=file]").setInputFiles({ name: "mine.png", mimeType: "image/png", buffer });
    await page.getByText("mine.png stays in this page").waitFor();
    await settled(page);
    assert.notEqual(await text(page, ".sentence"), before);
    const data = await page.evaluateHandle((bytes) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([Uint8Array.from(bytes)], "words.png", { type: "image/png" }));
      return transfer;
    }, [1, 2, 3]);
    await page.dispatchEvent(".glassconv", "drop", { dataTransfer: data });
    await page.getByText("words.png is not an image that this browser can read").waitFor();
    assert.deepEqual(requests.filter((address) => !address.startsWith("blob:")), []);
  }),
);

test("layers of a report stand in a strip", { skip }, () =>
  onPage({}, async (page) => {
    const made = ["→ 2 × 6 × 6 · 1\u202f944 MACs · receptive field 3 × 3", "→ 4 × 2 × 2 · 288 MACs · receptive field 5 × 5"];
    assert.deepEqual(await page.locator(".layers .layer-facts").allTextContents(), made);
    await page.getByRole("button", { name: /layer 2/ }).click();
    await settled(page);
    assert.equal(await shape(page), "[1, 4, 2, 2]");
  }, [{ problem: "1x3x8x8 2@3x3 s1 p0", layers: [{ name: "layer 1", kind: "conv", text: "1x3x8x8 2@3x3 s1 p0" }, { name: "layer 2", kind: "conv", text: "1x2x6x6 4@3x3 s2 p0" }] }]),
);

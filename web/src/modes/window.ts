// Window: the four panes, each as the picture it is.

import type { Context } from "../context";
import { html } from "../dom";
import { block } from "../pane";
import { columnsPane } from "../panes/columns";
import { channelOf, inputPane } from "../panes/input";
import { outputPane } from "../panes/output";
import { firstFilter, weightPane } from "../panes/weight";
import type { Scene } from "../scene";
import type { Focus } from "../state";
import { nothing } from "./mode";
import type { Mode } from "./mode";

const GAP = 40;

export const window: Mode = {
  name: "window",
  label: "Window",
  about: "A filter stands in one place, multiplies what it sees, and adds up: one output.",
  render(context) {
    const { stage, room } = context;
    const across = room.width >= 1900 && innerHeight < 1200 ? 4 : room.width >= 620 ? 2 : 1;
    const each = { width: (room.width - (across - 1) * GAP) / across, height: room.height * [0, 1.4, 1, 1, 1.7][across] };
    stage.style.gridTemplateColumns = `repeat(${across}, minmax(0, 1fr))`;
    const input = inputPane(context, each).element;
    const columns = columnsPane(context, each).element;
    const weight = weightPane(context, each).element;
    const output = outputPane(context, each).element;
    if (across === 2) stage.append(html("div", { class: "stack" }, input, weight), html("div", { class: "stack" }, columns, output));
    else stage.append(input, columns, weight, output);
    redrawForOthers(context);
    return nothing;
  },
};

/** Very many planes are drawn in blocks: a focus in another block needs that one drawn. */
export function redrawForOthers(context: Context): void {
  const before = blocks(context.scene, context.store.get().focus);
  context.onState(({ focus }) => {
    if (blocks(context.scene, focus) !== before) context.redraw();
  });
}

function blocks(scene: Scene, focus: Focus): string {
  const { problem } = scene;
  const channel = channelOf(scene, focus);
  const filter = focus.kind === "input" ? firstFilter(scene, focus.channel) : focus.filter;
  const perGroup = problem.inChannels / problem.groups;
  return [
    block(problem.inChannels, channel).start,
    block(perGroup, channel % perGroup).start,
    block(problem.outChannels, filter).start,
    block(problem.groups, Math.floor(channel / perGroup), 6).start,
  ].join();
}

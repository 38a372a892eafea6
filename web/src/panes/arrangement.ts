// Arranges four panes on the stage, and redraws them when the focus leaves what is drawn.

import { html } from "../drawing/dom";
import { channelOf, filterOf } from "../model/focus";
import type { Focus } from "../model/focus";
import type { Scene } from "../numerics/scene";
import type { Context, Room } from "./context";
import { block } from "./pane";

const GAP = 40;

export type Four = readonly [HTMLElement, HTMLElement, HTMLElement, HTMLElement];

/** Four panes side by side, in two stacks, or one below the other: as the room has it. */
export function arrangeFour({ stage, room }: Context, makePanes: (size: Room) => Four): void {
  const across = room.width >= 1900 && innerHeight < 1200 ? 4 : room.width >= 620 ? 2 : 1;
  const [first, second, third, fourth] = makePanes({ width: (room.width - (across - 1) * GAP) / across, height: room.height * [0, 1, 1, 1, 1.7][across] });
  stage.style.gridTemplateColumns = `repeat(${across}, minmax(0, 1fr))`;
  if (across === 2) stage.append(html("div", { class: "stack" }, first, third), html("div", { class: "stack" }, second, fourth));
  else if (across === 1) stage.append(first, fourth, third, second); // the output is in view with the input
  else stage.append(first, second, third, fourth);
}

/** Very many planes are drawn in blocks: a focus in another block needs that one drawn. */
export function redrawOnOtherBlock(context: Context): void {
  const before = blocks(context.scene, context.store.get().focus);
  context.onState(({ focus }) => {
    if (blocks(context.scene, focus) !== before) context.redraw();
  });
}

function blocks(scene: Scene, focus: Focus): string {
  const { problem } = scene;
  const channel = channelOf(scene.problem, focus);
  const filter = filterOf(scene.problem, focus);
  const perGroup = problem.inChannels / problem.groups;
  return [
    block(problem.inChannels, channel).start,
    block(perGroup, channel % perGroup).start,
    block(problem.outChannels, filter).start,
    block(problem.groups, Math.floor(channel / perGroup), 6).start,
  ].join();
}

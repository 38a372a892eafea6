// Window: the four panes, each as the picture it is.

import { arrange, redrawForOthers } from "../panes/arrangement";
import type { Four } from "../panes/arrangement";
import { columnsPane } from "../panes/columns";
import type { Room } from "../panes/context";
import { inputPane } from "../panes/input";
import { outputPane } from "../panes/output";
import { weightPane } from "../panes/weight";
import { nothing } from "./mode";
import type { Mode } from "./mode";

export const window: Mode = {
  name: "window",
  label: "Window",
  about: "A filter stands in one place, multiplies what it sees, and adds up: one output.",
  render(context) {
    const made = (each: Room): Four => [
      inputPane(context, each).element,
      columnsPane(context, each).element,
      weightPane(context, each).element,
      outputPane(context, each).element,
    ];
    arrange(context, made);
    redrawForOthers(context);
    return nothing;
  },
};

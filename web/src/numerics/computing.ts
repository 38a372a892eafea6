// Completes the output of a scene: Python is asked for PyTorch's, or it is computed here, some milliseconds a frame.

import type { Answer, Model } from "../model/report";
import { format } from "../model/shorthand";
import type { Scene } from "./scene";

const SLICE = 9; // milliseconds a frame that computing may take
const REST = 250; // milliseconds without a change, after which Python is asked

export class Computing {
  private frame = 0;
  private timer = 0;
  private requests = 0;
  private readonly onAnswer = (answer: Answer): void => this.receive(answer);

  constructor(
    private readonly model: Model,
    private readonly stage: HTMLElement,
    private readonly scene: () => Scene,
    private readonly numbersChanged: () => void,
    private readonly showStatus: (text: string) => void,
  ) {
    model.on("msg:custom", this.onAnswer);
  }

  /** Begins with the output of another scene. */
  start(): void {
    if (!this.requestOutput()) this.continue();
  }

  stop(): void {
    this.model.off("msg:custom", this.onAnswer);
    cancelAnimationFrame(this.frame);
    clearTimeout(this.timer);
  }

  /** Goes on computing, some milliseconds a frame, until the output is whole. */
  private continue(): void {
    cancelAnimationFrame(this.frame);
    this.stage.ariaBusy = String(!this.scene().complete);
    this.frame = requestAnimationFrame(() => {
      if (!this.scene().compute(SLICE)) return;
      this.numbersChanged();
      this.continue();
    });
  }

  /** Asks Python for PyTorch's output once the problem has not changed for a while; false if there is no Python. */
  private requestOutput(): boolean {
    clearTimeout(this.timer);
    const scene = this.scene();
    const { problem } = scene;
    const cropped = problem.padding.flat().some((side) => side < 0); // negative padding, which shorthand cannot write
    if (!this.model.get("remote") || scene.pytorch || cropped) return false;
    const id = ++this.requests;
    this.timer = window.setTimeout(() => this.model.send({ id, ...this.scene().convolveRequest(format({ ...problem, batch: 1 })) }), REST);
    return true;
  }

  private receive(answer: Answer): void {
    if (answer.id !== this.requests) return;
    if (answer.type === "error") {
      this.showStatus(answer.error ?? "Python could not compute it.");
      this.continue();
    }
    if (answer.type !== "convolve" || !answer.output) return;
    this.scene().receiveOutput(answer.output);
    this.numbersChanged();
  }
}

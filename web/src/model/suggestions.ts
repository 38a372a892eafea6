// An invalid setting becomes the nearest valid one, with an explanation.

import { refusal, samePadding } from "./problem";
import type { Problem } from "./problem";

export interface Setting {
  readonly name: string; // PyTorch's name of the argument
  get(problem: Problem): number;
  set(problem: Problem, value: number): Problem;
}

export interface SettingChange {
  readonly problem: Problem;
  readonly explanation: string; // empty where the setting was taken as it is
}

const FARTHEST = 512;

/** Returns the problem with one setting changed to a value, or to the nearest that works. */
export function changeSetting(problem: Problem, setting: Setting, value: number): SettingChange {
  const wanted = withSame(setting.set(problem, value));
  const cause = refusal(wanted);
  if (cause === null) return { problem: wanted, explanation: "" };
  const repaired = repair(wanted, setting);
  if (repaired) return { problem: repaired.problem, explanation: `${cause}: ${repaired.reason}.` };
  for (let distance = 1; distance <= FARTHEST; distance++) {
    for (const near of [value - distance, value + distance]) {
      const tried = withSame(setting.set(problem, near));
      if (refusal(tried) === null) {
        return { problem: tried, explanation: `${cause}. The nearest valid value is ${setting.name} ${near}.` };
      }
    }
  }
  return { problem, explanation: `${cause}. No nearby value is valid, so nothing changed.` };
}

/** What is meant is often clear, and another setting has to follow it. */
function repair(wanted: Problem, setting: Setting): { problem: Problem; reason: string } | null {
  if (wanted.same) {
    const numbers = { ...wanted, same: false };
    if (refusal(numbers) === null) return { problem: numbers, reason: "the same padding is now given as numbers" };
  }
  if (setting.name === "groups" && wanted.groups > 0 && wanted.inChannels % wanted.groups === 0) {
    const outChannels = Math.ceil(wanted.outChannels / wanted.groups) * wanted.groups;
    const problem = { ...wanted, outChannels };
    if (refusal(problem) === null) return { problem, reason: `out_channels is now ${outChannels}` };
  }
  if (setting.name === "in_channels" && wanted.inChannels > 0) {
    const groups = greatestDivisor(wanted.inChannels, wanted.outChannels, wanted.groups);
    const problem = { ...wanted, groups };
    if (refusal(problem) === null) return { problem, reason: `groups is now ${groups}` };
  }
  return null;
}

/** 'same' follows kernel and dilation. */
export function withSame(problem: Problem): Problem {
  return problem.same ? { ...problem, padding: samePadding(problem) } : problem;
}

/** The largest number up to `most` that divides both. */
function greatestDivisor(one: number, other: number, most: number): number {
  for (let divisor = most; divisor > 1; divisor--) if (one % divisor === 0 && other % divisor === 0) return divisor;
  return 1;
}

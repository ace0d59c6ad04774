import { describe, expect, it } from "vitest";
import { correct, keyCommand, newTimeline, pause, play, positionAt, reachedEnd, seek, setSpeed, setWaiting } from "./timeline";

describe("the playback clock", () => {
  it("stands still until it is played and when it is paused", () => {
    let line = newTimeline(60_000);
    expect(positionAt(line, 5_000)).toBe(0);
    line = play(line, 5_000);
    expect(positionAt(line, 7_000)).toBe(2_000);
    line = pause(line, 7_000);
    expect(positionAt(line, 99_000)).toBe(2_000);
  });

  it("keeps its place when the speed changes", () => {
    let line = play(newTimeline(60_000), 0);
    line = setSpeed(line, 10_000, 2);
    expect(positionAt(line, 10_000)).toBe(10_000);
    expect(positionAt(line, 12_000)).toBe(14_000);
    line = setSpeed(line, 12_000, 0.5);
    expect(positionAt(line, 14_000)).toBe(15_000);
  });

  it("waits for data without losing its place", () => {
    let line = play(newTimeline(60_000), 0);
    line = setWaiting(line, 3_000, true);
    expect(positionAt(line, 8_000)).toBe(3_000);
    line = setWaiting(line, 8_000, false);
    expect(positionAt(line, 9_000)).toBe(4_000);
  });

  it("is not moved by being told to wait twice", () => {
    let line = setWaiting(play(newTimeline(60_000), 0), 3_000, true);
    line = setWaiting(line, 5_000, true);
    expect(positionAt(line, 5_000)).toBe(3_000);
  });

  it("seeks within the recording only, playing or not", () => {
    const stopped = seek(newTimeline(60_000), 0, 90_000);
    expect(positionAt(stopped, 0)).toBe(60_000);
    expect(positionAt(seek(stopped, 0, -5), 0)).toBe(0);
    const running = seek(play(newTimeline(60_000), 0), 1_000, 30_000);
    expect(positionAt(running, 2_000)).toBe(31_000);
  });

  it("ends at the end and then begins anew", () => {
    let line = seek(play(newTimeline(10_000), 0), 0, 9_000);
    expect(reachedEnd(line, 500)).toBe(false);
    expect(reachedEnd(line, 5_000)).toBe(true);
    expect(positionAt(line, 5_000)).toBe(10_000);
    line = pause(line, 5_000);
    expect(reachedEnd(line, 6_000)).toBe(false);
    expect(positionAt(play(line, 6_000), 6_000)).toBe(0);
  });
});

describe("correct", () => {
  it("leaves a medium alone within 120 ms", () => {
    expect(correct(10_000, 10_120, 0, 1)).toEqual({ kind: "none" });
    expect(correct(10_000, 9_880, 0, 1)).toEqual({ kind: "none" });
  });

  it("slows a medium that is ahead and hurries one that is behind, at any speed", () => {
    expect(correct(10_000, 10_300, 0, 1)).toEqual({ kind: "rate", rate: 0.94 });
    expect(correct(10_000, 9_700, 0, 2)).toEqual({ kind: "rate", rate: 2.12 });
  });

  it("jumps when a medium is far off", () => {
    expect(correct(10_000, 2_000, 0, 1)).toEqual({ kind: "jump", toMs: 10_000 });
  });

  it("counts a later start, and never jumps before the beginning", () => {
    expect(correct(10_000, 4_000, 6_000, 1)).toEqual({ kind: "none" });
    expect(correct(1_000, 2_000, 6_000, 1)).toEqual({ kind: "jump", toMs: 0 });
  });
});

describe("keyCommand", () => {
  it("knows the player's keys and no others", () => {
    expect(keyCommand(" ")).toBe("toggle");
    expect(keyCommand("J")).toBe("back");
    expect(keyCommand("ArrowRight")).toBe("forward");
    expect(keyCommand("Tab")).toBe(null);
    expect(keyCommand("Escape")).toBe(null);
  });
});

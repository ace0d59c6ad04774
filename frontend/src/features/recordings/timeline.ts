// The one clock of a playback, and how far each medium may stray from it. Pure: the time is given (milliseconds of any steady
// clock). Invariants: the position stays within 0..duration; it advances only while playing and not waiting for data.

/** Beyond this a listener notices that lips and voice, or two voices, are apart. */
export const DRIFT_LIMIT_MS = 120;
/** Beyond this catching up by speed would take too long to watch. */
export const JUMP_LIMIT_MS = 600;
/** How much faster or slower a straying medium plays: too little to hear. */
const NUDGE = 0.06;

export interface Timeline {
  readonly durationMs: number;
  readonly playing: boolean;
  /** Playing is wanted but some medium has no data yet. */
  readonly waiting: boolean;
  readonly speed: number;
  /** Where the clock stood at `since`. */
  readonly anchorMs: number;
  readonly since: number;
}

export function newTimeline(durationMs: number): Timeline {
  return { durationMs: Math.max(0, durationMs), playing: false, waiting: false, speed: 1, anchorMs: 0, since: 0 };
}

export function positionAt(line: Timeline, now: number): number {
  const passed = line.playing && !line.waiting ? (now - line.since) * line.speed : 0;
  return Math.min(line.durationMs, Math.max(0, line.anchorMs + passed));
}

/** The same timeline with its clock read at `now`, so that a change from here on does not move it. */
function anchored(line: Timeline, now: number): Timeline {
  return { ...line, anchorMs: positionAt(line, now), since: now };
}

/** At the end, playing begins anew. */
export function play(line: Timeline, now: number): Timeline {
  const at = anchored(line, now);
  return { ...at, playing: true, anchorMs: at.anchorMs >= at.durationMs ? 0 : at.anchorMs };
}

export function pause(line: Timeline, now: number): Timeline {
  return { ...anchored(line, now), playing: false, waiting: false };
}

export function seek(line: Timeline, now: number, toMs: number): Timeline {
  return { ...line, anchorMs: Math.min(line.durationMs, Math.max(0, toMs)), since: now };
}

export function setSpeed(line: Timeline, now: number, speed: number): Timeline {
  return { ...anchored(line, now), speed };
}

/** Stops the clock while a medium has no data, and lets it go on afterwards. */
export function setWaiting(line: Timeline, now: number, waiting: boolean): Timeline {
  return line.waiting === waiting ? line : { ...anchored(line, now), waiting };
}

/** Whether the clock ran to the end; the caller then pauses. */
export function reachedEnd(line: Timeline, now: number): boolean {
  return line.playing && positionAt(line, now) >= line.durationMs;
}

export type Correction = { kind: "none" } | { kind: "rate"; rate: number } | { kind: "jump"; toMs: number };

/**
 * What brings a medium back to the clock: nothing within the limit, a slightly different speed when it strayed a little,
 * a jump when it strayed far. `mediaMs` is where the medium is, on its own time; `startsAtMs` is where that begins on the line.
 */
export function correct(positionMs: number, mediaMs: number, startsAtMs: number, speed: number): Correction {
  const wanted = positionMs - startsAtMs;
  const drift = mediaMs - wanted;
  if (Math.abs(drift) <= DRIFT_LIMIT_MS) return { kind: "none" };
  if (Math.abs(drift) > JUMP_LIMIT_MS) return { kind: "jump", toMs: Math.max(0, wanted) };
  return { kind: "rate", rate: speed * (drift > 0 ? 1 - NUDGE : 1 + NUDGE) };
}

/** What a key does in the player; null for keys that are not ours. */
export type KeyCommand = "toggle" | "back" | "forward" | "mute" | "start" | "end";

export function keyCommand(key: string): KeyCommand | null {
  switch (key) {
    case " ":
    case "k":
    case "K":
      return "toggle";
    case "j":
    case "J":
    case "ArrowLeft":
      return "back";
    case "l":
    case "L":
    case "ArrowRight":
      return "forward";
    case "m":
    case "M":
      return "mute";
    case "Home":
      return "start";
    case "End":
      return "end";
    default:
      return null;
  }
}

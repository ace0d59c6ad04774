/**
 * Reads an RTCStatsReport into the few numbers that a call needs, and judges them. Pure: the polling is in peer.ts.
 * The totals only ever rise within one peer connection; {@link add} carries them over to the next.
 */

export type Quality = "unknown" | "good" | "fair" | "poor";

export interface Totals {
  /** Decoded frames of all inbound video. */
  readonly frames: number;
  /** Sum of `totalAudioEnergy` of all inbound audio (no unit; W3C webrtc-stats). */
  readonly audioEnergy: number;
  readonly packetsReceived: number;
  readonly packetsLost: number;
  /** Round trip of the chosen candidate pair in seconds, or null before it is measured. */
  readonly roundTrip: number | null;
}

export const NO_TOTALS: Totals = { frames: 0, audioEnergy: 0, packetsReceived: 0, packetsLost: 0, roundTrip: null };

function number(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}

/** Sums what came in, over all entries of one `getStats()` report. */
export function readTotals(entries: Iterable<Readonly<Record<string, unknown>>>): Totals {
  let frames = 0;
  let audioEnergy = 0;
  let packetsReceived = 0;
  let packetsLost = 0;
  let roundTrip: number | null = null;
  for (const entry of entries) {
    if (entry["type"] === "inbound-rtp") {
      packetsReceived += number(entry["packetsReceived"]);
      packetsLost += number(entry["packetsLost"]);
      if (entry["kind"] === "video") frames += number(entry["framesDecoded"]);
      if (entry["kind"] === "audio") audioEnergy += number(entry["totalAudioEnergy"]);
    } else if (entry["type"] === "candidate-pair" && entry["nominated"] === true) {
      const measured = number(entry["currentRoundTripTime"]);
      if (measured > 0) roundTrip = measured;
    }
  }
  return { frames, audioEnergy, packetsReceived, packetsLost, roundTrip };
}

/** Totals over a former connection and the present one; the round trip is the present one's. */
export function add(former: Totals, present: Totals): Totals {
  return {
    frames: former.frames + present.frames,
    audioEnergy: former.audioEnergy + present.audioEnergy,
    packetsReceived: former.packetsReceived + present.packetsReceived,
    packetsLost: former.packetsLost + present.packetsLost,
    roundTrip: present.roundTrip,
  };
}

/** Loss above this share of the packets of one interval is heard and seen. */
const FAIR_LOSS = 0.03;
const POOR_LOSS = 0.1;
/** Round trips in seconds; ITU-T G.114 calls 0.15 s one way good and 0.4 s the limit. */
const FAIR_ROUND_TRIP = 0.3;
const POOR_ROUND_TRIP = 0.8;

/** Judges the interval between two readings of the same peer connection. */
export function judge(before: Totals, now: Totals): Quality {
  const received = now.packetsReceived - before.packetsReceived;
  const lost = Math.max(0, now.packetsLost - before.packetsLost);
  const roundTrip = now.roundTrip ?? 0;
  if (received + lost <= 0) return now.roundTrip === null ? "unknown" : byRoundTrip(roundTrip);
  const loss = lost / (received + lost);
  if (loss >= POOR_LOSS) return "poor";
  const judged = byRoundTrip(roundTrip);
  return loss >= FAIR_LOSS && judged === "good" ? "fair" : judged;
}

function byRoundTrip(seconds: number): Quality {
  if (seconds >= POOR_ROUND_TRIP) return "poor";
  return seconds >= FAIR_ROUND_TRIP ? "fair" : "good";
}

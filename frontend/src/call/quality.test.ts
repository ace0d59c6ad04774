import { expect, it } from "vitest";
import { NO_TOTALS, add, judge, readTotals, type Totals } from "./quality";

const totals = (change: Partial<Totals>): Totals => ({ ...NO_TOTALS, ...change });

it("sums frames and audio energy over all inbound streams", () => {
  const report = [
    { type: "inbound-rtp", kind: "video", framesDecoded: 10, packetsReceived: 5, packetsLost: 1 },
    { type: "inbound-rtp", kind: "video", framesDecoded: 4 },
    { type: "inbound-rtp", kind: "audio", totalAudioEnergy: 0.5, packetsReceived: 7 },
    { type: "outbound-rtp", kind: "video", framesEncoded: 99 },
    { type: "candidate-pair", nominated: true, currentRoundTripTime: 0.05 },
    { type: "candidate-pair", nominated: false, currentRoundTripTime: 9 },
  ];
  expect(readTotals(report)).toEqual({
    frames: 14,
    audioEnergy: 0.5,
    packetsReceived: 12,
    packetsLost: 1,
    roundTrip: 0.05,
  });
});

it("keeps rising over a new peer connection", () => {
  expect(add(totals({ frames: 100 }), totals({ frames: 3, roundTrip: 0.1 }))).toMatchObject({ frames: 103, roundTrip: 0.1 });
});

it.each([
  ["good", { packetsReceived: 100, roundTrip: 0.05 }],
  ["fair", { packetsReceived: 100, packetsLost: 5, roundTrip: 0.05 }],
  ["poor", { packetsReceived: 100, packetsLost: 20, roundTrip: 0.05 }],
  ["fair", { packetsReceived: 100, roundTrip: 0.4 }],
  ["poor", { packetsReceived: 100, roundTrip: 1 }],
  ["good", { roundTrip: 0.05 }],
  ["unknown", {}],
] as const)("judges an interval as %s", (quality, now) => {
  expect(judge(NO_TOTALS, totals(now))).toBe(quality);
});

it("does not count recovered losses as negative", () => {
  expect(judge(totals({ packetsLost: 50 }), totals({ packetsReceived: 10, packetsLost: 0, roundTrip: 0.1 }))).toBe("good");
});

import { describe, expect, it } from "vitest";
import { bars, ceiling, edges, total } from "./activity";

const NOW = new Date(2026, 2, 12, 14, 25);
const hour = (day: number, hours: number): string => new Date(2026, 2, day, hours).toISOString();

describe("bars", () => {
  it("cover the range up to now, each beginning where the one before ends", () => {
    for (const [range, count] of [["day", 24], ["week", 28], ["month", 30], ["quarter", 90]] as const) {
      const all = edges(range, NOW);
      expect(all).toHaveLength(count + 1);
      expect(all.at(-1)!.getTime()).toBeGreaterThan(NOW.getTime());
      expect(all.at(-2)!.getTime()).toBeLessThanOrEqual(NOW.getTime());
      expect(all.every((edge, n) => n === 0 || edge > all[n - 1]!)).toBe(true);
    }
  });

  it("add up hours by outcome and what stands out", () => {
    const activity = {
      hours: [
        { at: hour(12, 9), success: 4, denied: 1, failure: 0, unusual: 0 },
        { at: hour(12, 10), success: 2, denied: 0, failure: 1, unusual: 3 },
        { at: hour(11, 23), success: 7, denied: 0, failure: 0, unusual: 0 },
      ],
      unusual: [{ mark: "off_hours" as const, person: null, name: null, entries: 3 }],
      people: [],
    };
    const days = bars(activity, "month", NOW);
    expect(days.at(-1)).toMatchObject({ success: 6, denied: 1, failure: 1, unusual: 3 });
    expect(total(days.at(-2)!)).toBe(7);
    const hours = bars(activity, "day", NOW);
    expect(hours.map(total).filter((n) => n > 0)).toEqual([7, 5, 3]);
  });
});

describe("ceiling", () => {
  it("is a round number", () => {
    expect([0, 3, 7, 11, 42, 100, 450, 1234].map(ceiling)).toEqual([4, 4, 10, 20, 50, 100, 500, 2000]);
  });
});

// From the server's hours to the bars of a chart: in the reader's own days, with what stands out above them.
import type { AuditActivity } from "../../api/types";

export const RANGES = { day: 24, week: 7 * 24, month: 30 * 24, quarter: 90 * 24 } as const;
export type Range = keyof typeof RANGES;

export interface Bar {
  /** When it begins and ends. */
  readonly from: Date;
  readonly to: Date;
  success: number;
  denied: number;
  failure: number;
  unusual: number;
}

/** Where the bars of a range begin: each hour of a day, every six hours of a week, each day of more. Ends with the end of the last one. */
export function edges(range: Range, now: Date): Date[] {
  const step = range === "day" ? 1 : range === "week" ? 6 : 24;
  const last = new Date(now);
  last.setMinutes(0, 0, 0);
  last.setHours(Math.floor(last.getHours() / step) * step + step);
  const count = RANGES[range] / step;
  return Array.from({ length: count + 1 }, (_, at) => {
    const edge = new Date(last);
    // by the calendar, so that a day stays a day when clocks change
    if (step === 24) edge.setDate(edge.getDate() - (count - at));
    else edge.setHours(edge.getHours() - (count - at) * step);
    return edge;
  });
}

export function bars(activity: AuditActivity, range: Range, now: Date): Bar[] {
  const at = edges(range, now);
  const all: Bar[] = at.slice(0, -1).map((from, n) => ({ from, to: at[n + 1] ?? now, success: 0, denied: 0, failure: 0, unusual: 0 }));
  const find = (time: string): Bar | undefined => {
    const when = new Date(time).getTime();
    return all.find((bar) => when >= bar.from.getTime() && when < bar.to.getTime());
  };
  for (const hour of activity.hours) {
    const bar = find(hour.at);
    if (!bar) continue;
    bar.success += hour.success;
    bar.denied += hour.denied;
    bar.failure += hour.failure;
    bar.unusual += hour.unusual;
  }
  return all;
}

export const total = (bar: Bar): number => bar.success + bar.denied + bar.failure;

/** A round number that is not below `most`, for the top of the chart. */
export function ceiling(most: number): number {
  if (most <= 4) return 4;
  const power = 10 ** Math.floor(Math.log10(most));
  return ([1, 2, 4, 5, 10].find((step) => step * power >= most) ?? 10) * power;
}

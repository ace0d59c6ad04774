import { describe, expect, it } from "vitest";
import { EMPTY_SEARCH, fromSaved, isBackwards, toSaved, toSearch, type SearchForm } from "./search-form";

const NOW = new Date("2026-03-12T12:00:00Z");
const filled: SearchForm = {
  ...EMPTY_SEARCH, text: "abc", person: "p1", area: "consent", network: "192.0.2.1", only: { kind: "patient", id: "x" }, outcome: "denied",
  unusual: "off_hours", period: "week",
};

describe("toSearch", () => {
  it("sends null for what was left open", () => {
    const { limit, ...rest } = toSearch(EMPTY_SEARCH, null);
    expect(limit).toBe(50);
    expect([...new Set(Object.values(rest))]).toEqual([null]);
  });

  it("sends local times as UTC, and only if they are meant", () => {
    const between = { ...EMPTY_SEARCH, text: " ruiz ", outcome: "denied", from: "2026-03-12T09:00", period: "between" } as const;
    const search = toSearch(between, 40);
    expect(search.from).toBe(new Date(2026, 2, 12, 9, 0).toISOString());
    expect(search).toMatchObject({ text: "ruiz", outcome: "denied", before: 40 });
    expect(toSearch({ ...between, period: "any" }, null).from).toBeNull();
  });

  it("counts a period back from now", () => {
    expect(toSearch(filled, null, NOW)).toMatchObject({ from: "2026-03-05T12:00:00.000Z", to: null, unusual: "off_hours" });
  });

  it("asks for an area with its dot, and for one thing by its kind", () => {
    const search = toSearch({ ...EMPTY_SEARCH, area: "recording", network: " 192.0.2.1 ", only: { kind: "patient", id: "p1" } }, null);
    expect(search).toMatchObject({ event: "recording.", network: "192.0.2.1", patient: "p1", consultation: null });
  });
});

describe("kept searches", () => {
  it("come back as they were", () => {
    expect(fromSaved(toSaved(filled))).toEqual(filled);
    expect(fromSaved(toSaved(EMPTY_SEARCH))).toEqual(EMPTY_SEARCH);
    const between: SearchForm = { ...EMPTY_SEARCH, period: "between", from: "2026-03-12T09:00", to: "2026-03-13T17:30" };
    expect(fromSaved(toSaved(between))).toEqual(between);
  });

  it("keep a period that ends now, not the day on which it was kept", () => {
    expect(toSaved(filled)).toMatchObject({ period: "week", search: { from: null, to: null } });
  });
});

describe("isBackwards", () => {
  it("sees a range that ends before it begins", () => {
    const form: SearchForm = { ...EMPTY_SEARCH, period: "between", from: "2026-03-12T09:00", to: "2026-03-11T09:00" };
    expect(isBackwards(form)).toBe(true);
    expect(isBackwards({ ...form, period: "day" })).toBe(false);
    expect(isBackwards({ ...form, to: "" })).toBe(false);
  });
});

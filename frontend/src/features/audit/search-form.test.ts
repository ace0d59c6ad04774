import { describe, expect, it } from "vitest";
import { EMPTY_SEARCH, isBackwards, toSearch } from "./search-form";

describe("toSearch", () => {
  it("sends null for what was left open", () => {
    expect(toSearch(EMPTY_SEARCH, null)).toEqual({
      text: null,
      action: null,
      outcome: null,
      from: null,
      to: null,
      before: null,
      limit: 50,
    });
  });

  it("sends local times as UTC", () => {
    const search = toSearch({ ...EMPTY_SEARCH, text: " ruiz ", outcome: "denied", from: "2026-03-12T09:00" }, 40);
    expect(search.from).toBe(new Date(2026, 2, 12, 9, 0).toISOString());
    expect(search).toMatchObject({ text: "ruiz", outcome: "denied", before: 40 });
  });
});

describe("isBackwards", () => {
  it("sees a range that ends before it begins", () => {
    expect(isBackwards({ ...EMPTY_SEARCH, from: "2026-03-12T09:00", to: "2026-03-11T09:00" })).toBe(true);
    expect(isBackwards({ ...EMPTY_SEARCH, from: "2026-03-12T09:00" })).toBe(false);
  });
});

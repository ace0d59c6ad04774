import { describe, expect, it } from "vitest";
import { EMPTY_SEARCH, isBackwards, toSearch } from "./search-form";

describe("toSearch", () => {
  it("sends null for what was left open", () => {
    expect(toSearch(EMPTY_SEARCH, null)).toEqual({
      text: null,
      person: null,
      event: null,
      network: null,
      consultation: null,
      patient: null,
      recording: null,
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

  it("asks for an area with its dot, and for one thing by its kind", () => {
    const search = toSearch({ ...EMPTY_SEARCH, area: "recording", network: " 192.0.2.1 ", only: { kind: "patient", id: "p1" } }, null);
    expect(search).toMatchObject({ event: "recording.", network: "192.0.2.1", patient: "p1", consultation: null });
  });
});

describe("isBackwards", () => {
  it("sees a range that ends before it begins", () => {
    expect(isBackwards({ ...EMPTY_SEARCH, from: "2026-03-12T09:00", to: "2026-03-11T09:00" })).toBe(true);
    expect(isBackwards({ ...EMPTY_SEARCH, from: "2026-03-12T09:00" })).toBe(false);
  });
});

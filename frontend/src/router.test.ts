import { describe, expect, it } from "vitest";
import { matchRoute, safeReturnPath } from "./router";

describe("matchRoute", () => {
  it("knows every address", () => {
    expect(matchRoute("/")).toEqual({ page: "home" });
    expect(matchRoute("/consultations/new")).toEqual({ page: "new-consultation" });
    expect(matchRoute("/consultations/c1")).toEqual({ page: "consultation", consultationId: "c1" });
    expect(matchRoute("/consultations/c1/call")).toEqual({ page: "staff-call", consultationId: "c1" });
    expect(matchRoute("/join/i1")).toEqual({ page: "join", invitationId: "i1" });
    expect(matchRoute("/recordings/r1")).toEqual({ page: "recording", recordingId: "r1" });
  });

  it("forgives a slash at the end and nothing else", () => {
    expect(matchRoute("/audit/")).toEqual({ page: "audit", tab: "entries" });
    expect(matchRoute("/audit/x")).toEqual({ page: "not-found" });
    expect(matchRoute("/join/")).toEqual({ page: "not-found" });
    expect(matchRoute("//audit")).toEqual({ page: "not-found" });
  });

  it("survives malformed escapes", () => {
    expect(matchRoute("/join/%E0%A4%A")).toEqual({ page: "join", invitationId: "%E0%A4%A" });
  });
});

describe("safeReturnPath", () => {
  it("keeps a path of ours", () => {
    expect(safeReturnPath("/consultations/c1")).toBe("/consultations/c1");
  });

  it("refuses to lead to another site or around in a circle", () => {
    for (const bad of [null, "", "https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/ /x", "/sign-in?x=1"]) {
      expect(safeReturnPath(bad)).toBe("/");
    }
  });
});

import { describe, expect, it } from "vitest";
import { CODES, Problem } from "../../api/problem";
import type { InvitationPreview, Me, Place } from "../../api/types";
import { invitationStep, isRefusal, mayReturn, problemStep, secretOf, stepOf, worthRetrying } from "./journey";

const me = (place: Place, name: string | null = "Sam"): Me => ({
  id: "p",
  consultation_id: "c",
  role: "patient",
  name,
  place,
  practitioner_name: "Dr. Ruiz",
  clinic_name: "Clinic",
  capabilities: ["publish_audio", "publish_video", "share_screen", "chat"],
});

const preview = (consultation_status: InvitationPreview["consultation_status"]): InvitationPreview => ({
  clinic_name: "Clinic",
  practitioner_name: "Dr. Ruiz",
  role: "patient",
  name_hint: null,
  starts_at: "2026-01-01T09:00:00Z",
  consultation_id: "c",
  consultation_status,
  bound_here: false, code_required: false,
  data_notice: { title: "", paragraphs: [], stored: [], not_stored: [] },
});

describe("the secret", () => {
  it.each([
    ["#abc", "abc"],
    ["#", null],
    ["", null],
  ])("of %j is %j", (hash, secret) => expect(secretOf(hash)).toBe(secret));
});

describe("a reload resumes", () => {
  it.each([
    ["invited", null, false, "name"],
    ["invited", "  ", false, "name"],
    ["invited", "Sam", false, "devices"],
    ["lobby", "Sam", false, "devices"],
    ["lobby", "Sam", true, "live"],
    ["in_call", "Sam", false, "live"],
    ["left", "Sam", true, "goodbye"],
    ["turned_away", "Sam", true, "goodbye"],
    ["removed", null, false, "goodbye"],
  ] as const)("in place %s, named %j, checked %j at %s", (place, name, checked, kind) => {
    expect(stepOf(me(place, name), checked).kind).toBe(kind);
  });
});

it("an invitation to a consultation that is over says so before anybody presses Join", () => {
  expect(invitationStep(preview("completed"))).toMatchObject({ kind: "problem", problem: "ended" });
  expect(invitationStep(preview("cancelled"))).toMatchObject({ kind: "problem", problem: "cancelled" });
  expect(invitationStep(preview("planned")).kind).toBe("invitation");
});

it.each(CODES)("%s leads to a page with words", (code) => {
  expect(problemStep(new Problem(code, 400)).kind).toBe("problem");
});

it("trying again is offered only where it can help", () => {
  expect(["network", "throttled", "other"].map((problem) => worthRetrying(problem as "network"))).toEqual([true, true, true]);
  expect(worthRetrying("used")).toBe(false);
});

it("the way back is offered after an accident, not after being turned away", () => {
  expect(mayReturn("left")).toBe(true);
  expect(mayReturn("turned_away")).toBe(false);
  expect(mayReturn("consultation_ended")).toBe(false);
});

it("a lost credential is told apart from a server that does not answer", () => {
  expect([401, 403, 404].every((status) => isRefusal(new Problem("UNAUTHENTICATED", status)))).toBe(true);
  expect([0, 429, 500, 503].some((status) => isRefusal(new Problem("NETWORK", status)))).toBe(false);
});

describe("somebody who only watches", () => {
  it("is asked for no camera and no microphone", () => {
    expect(stepOf({ ...me("lobby"), capabilities: ["chat"] }, false).kind).toBe("live");
    expect(stepOf(me("lobby"), false).kind).toBe("devices");
  });
});

import { describe, expect, it } from "vitest";
import type { Consultation, ConsultationStatus } from "../../api/types";
import { groupConsultations, newlyWaiting } from "./grouping";

const NOW = new Date(2026, 2, 12, 10, 0);

function consultation(id: string, status: ConsultationStatus, startsAt: Date, waiting = 0): Consultation {
  return {
    id,
    status,
    patient: { id: "p", identifier: "1", name: "N", birth_date: "1980-01-01", language: "en", call_back_number: null },
    practitioner: { id: "d", display_name: "Dr" },
    starts_at: startsAt.toISOString(),
    started_at: null,
    ended_at: null,
    created_at: startsAt.toISOString(),
    waiting,
  };
}

const ids = (list: Consultation[]): string[] => list.map((item) => item.id);

describe("groupConsultations", () => {
  it("puts planned ones by the day they are planned for", () => {
    const groups = groupConsultations(
      [
        consultation("tonight", "planned", new Date(2026, 2, 12, 23, 30)),
        consultation("this morning", "planned", new Date(2026, 2, 12, 0, 5)),
        consultation("tomorrow", "planned", new Date(2026, 2, 13, 0, 5)),
        consultation("yesterday", "planned", new Date(2026, 2, 11, 23, 55)),
      ],
      NOW,
    );
    expect(ids(groups.today)).toEqual(["this morning", "tonight"]);
    expect(ids(groups.later)).toEqual(["tomorrow"]);
    expect(ids(groups.overdue)).toEqual(["yesterday"]);
  });

  it("shows running ones with somebody waiting first, whatever their day", () => {
    const groups = groupConsultations(
      [
        consultation("a", "in_progress", new Date(2026, 2, 10, 9, 0)),
        consultation("b", "in_progress", new Date(2026, 2, 12, 9, 0), 2),
      ],
      NOW,
    );
    expect(ids(groups.inProgress)).toEqual(["b", "a"]);
  });

  it("shows what is over newest first", () => {
    const groups = groupConsultations(
      [
        consultation("old", "completed", new Date(2026, 2, 1, 9, 0)),
        consultation("new", "cancelled", new Date(2026, 2, 9, 9, 0)),
      ],
      NOW,
    );
    expect(ids(groups.past)).toEqual(["new", "old"]);
  });
});

describe("newlyWaiting", () => {
  it("names only lobbies that grew", () => {
    const at = new Date(2026, 2, 12, 9, 0);
    const before = [consultation("a", "in_progress", at, 1), consultation("b", "in_progress", at, 1)];
    const after = [
      consultation("a", "in_progress", at, 1),
      consultation("b", "in_progress", at, 2),
      consultation("c", "in_progress", at, 1),
    ];
    expect(ids(newlyWaiting(before, after))).toEqual(["b", "c"]);
    expect(ids(newlyWaiting(after, before))).toEqual([]);
  });
});

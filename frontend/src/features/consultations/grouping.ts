// Sorts a clinician's consultations into the groups of the list. Pure: the time is given.
import type { Consultation } from "../../api/types";
import { daysFromToday } from "../../messages/dates";

export interface Groups {
  inProgress: Consultation[];
  today: Consultation[];
  later: Consultation[];
  /** Planned for a day that has passed. */
  overdue: Consultation[];
  past: Consultation[];
}

export function groupConsultations(all: readonly Consultation[], now: Date): Groups {
  const groups: Groups = { inProgress: [], today: [], later: [], overdue: [], past: [] };
  for (const consultation of all) {
    if (consultation.status === "in_progress") groups.inProgress.push(consultation);
    else if (consultation.status !== "planned") groups.past.push(consultation);
    else {
      const days = daysFromToday(consultation.starts_at, now);
      (days === 0 ? groups.today : days > 0 ? groups.later : groups.overdue).push(consultation);
    }
  }
  const soonest = (a: Consultation, b: Consultation): number => a.starts_at.localeCompare(b.starts_at);
  // Whoever has people waiting comes first among what is running.
  groups.inProgress.sort((a, b) => b.waiting - a.waiting || soonest(a, b));
  groups.today.sort(soonest);
  groups.later.sort(soonest);
  groups.overdue.sort((a, b) => soonest(b, a));
  groups.past.sort((a, b) => (b.ended_at ?? b.starts_at).localeCompare(a.ended_at ?? a.starts_at));
  return groups;
}

/** Consultations in whose lobby more people wait than before. */
export function newlyWaiting(before: readonly Consultation[], after: readonly Consultation[]): Consultation[] {
  const old = new Map(before.map((consultation) => [consultation.id, consultation.waiting]));
  return after.filter((consultation) => consultation.waiting > (old.get(consultation.id) ?? 0));
}

// The search form's state, and the search it stands for. Times are typed in the browser's zone and sent as UTC.
import type { AuditAction, AuditOutcome, AuditSearch } from "../../api/types";

/** Things whose every entry can be asked for. */
export const FOLLOWED = ["consultation", "patient", "recording"] as const;
export type Followed = (typeof FOLLOWED)[number];

export function isFollowed(kind: string): kind is Followed {
  return (FOLLOWED as readonly string[]).includes(kind);
}

export const AREAS = [
  "access", "account", "audit", "consent", "consultation", "emergency", "hold", "invitation", "participant", "patient", "playback", "policy", "recording",
  "sign_in",
] as const;
export type Area = (typeof AREAS)[number];

export interface SearchForm {
  text: string;
  /** An account's id, or "". */
  person: string;
  area: Area | "";
  /** A whole network address. */
  network: string;
  /** One thing that every entry is to be about. */
  only: { kind: Followed; id: string } | null;
  action: AuditAction | "";
  outcome: AuditOutcome | "";
  /** `YYYY-MM-DDTHH:MM` in local time, or "". */
  from: string;
  to: string;
}

export const EMPTY_SEARCH: SearchForm = { text: "", person: "", area: "", network: "", only: null, action: "", outcome: "", from: "", to: "" };
export const PAGE_SIZE = 50;

function utc(local: string): string | null {
  const at = new Date(local);
  return local === "" || Number.isNaN(at.getTime()) ? null : at.toISOString();
}

export function isBackwards(form: SearchForm): boolean {
  const from = utc(form.from);
  const to = utc(form.to);
  return from !== null && to !== null && from >= to;
}

/** `before`: show entries older than this index; null for the newest. */
export function toSearch(form: SearchForm, before: number | null): AuditSearch {
  const filled = (value: string): string | null => (value.trim() === "" ? null : value.trim());
  return {
    text: filled(form.text),
    person: filled(form.person),
    event: form.area === "" ? null : `${form.area}.`,
    network: filled(form.network),
    consultation: form.only?.kind === "consultation" ? form.only.id : null,
    patient: form.only?.kind === "patient" ? form.only.id : null,
    recording: form.only?.kind === "recording" ? form.only.id : null,
    action: form.action === "" ? null : form.action,
    outcome: form.outcome === "" ? null : form.outcome,
    from: utc(form.from),
    to: utc(form.to),
    before,
    limit: PAGE_SIZE,
  };
}

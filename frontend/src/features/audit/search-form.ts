// The search form's state, and the search it stands for. Times are typed in the browser's zone and sent as UTC.
import type { AuditAction, AuditMark, AuditOutcome, AuditSearch, SavedSearch } from "../../api/types";

/** Things whose every entry can be asked for. */
export const FOLLOWED = ["consultation", "patient", "recording"] as const;
export type Followed = (typeof FOLLOWED)[number];

export function isFollowed(kind: string): kind is Followed {
  return (FOLLOWED as readonly string[]).includes(kind);
}

export const AREAS = [
  "access", "account", "audit", "consent", "consultation", "disclosure", "emergency", "hold", "invitation", "participant", "patient", "playback", "policy", "recording",
  "sign_in",
] as const;
export type Area = (typeof AREAS)[number];

/** As what an entry can stand out, by the rules of `policies/unusual.toml`. */
export const MARKS = ["own_name", "mass_reads", "off_hours", "emergency_access", "repeated_denials"] as const satisfies readonly AuditMark[];

/** Stretches of time that end now, with their lengths in hours. */
const HOURS = { day: 24, week: 7 * 24, month: 30 * 24 } as const;
export type Period = keyof typeof HOURS;
export const PERIODS = Object.keys(HOURS) as Period[];

/** One thing that every entry is to be about. */
export interface Only {
  readonly kind: Followed;
  readonly id: string;
  /** A patient's name, where it is known. */
  readonly name?: string;
}

export interface SearchForm {
  text: string;
  /** An account's id, or "". */
  person: string;
  area: Area | "";
  /** A whole network address. */
  network: string;
  only: Only | null;
  action: AuditAction | "";
  outcome: AuditOutcome | "";
  unusual: AuditMark | "any" | "";
  period: Period | "any" | "between";
  /** `YYYY-MM-DDTHH:MM` in local time, or "". They count if the period is "between". */
  from: string;
  to: string;
}

export const EMPTY_SEARCH: SearchForm = {
  text: "", person: "", area: "", network: "", only: null, action: "", outcome: "", unusual: "", period: "any", from: "", to: "",
};
export const PAGE_SIZE = 50;

function utc(local: string): string | null {
  const at = new Date(local);
  return local === "" || Number.isNaN(at.getTime()) ? null : at.toISOString();
}

/** An instant as a form has it: local time to the minute. */
export function local(at: Date): string {
  const two = (n: number): string => String(n).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}T${two(at.getHours())}:${two(at.getMinutes())}`;
}

export function isBackwards(form: SearchForm): boolean {
  if (form.period !== "between") return false;
  const from = utc(form.from);
  const to = utc(form.to);
  return from !== null && to !== null && from >= to;
}

/** `before`: show entries older than this index; null for the newest. */
export function toSearch(form: SearchForm, before: number | null, now = new Date()): AuditSearch {
  const filled = (value: string): string | null => (value.trim() === "" ? null : value.trim());
  const about = (kind: Followed): string | null => (form.only?.kind === kind ? form.only.id : null);
  const between = form.period === "between";
  const since = form.period === "any" || form.period === "between" ? null : new Date(now.getTime() - HOURS[form.period] * 3_600_000).toISOString();
  return {
    text: filled(form.text),
    person: filled(form.person),
    event: form.area === "" ? null : `${form.area}.`,
    network: filled(form.network),
    consultation: about("consultation"),
    patient: about("patient"),
    recording: about("recording"),
    unusual: form.unusual === "" ? null : form.unusual,
    action: form.action === "" ? null : form.action,
    outcome: form.outcome === "" ? null : form.outcome,
    from: between ? utc(form.from) : since,
    to: between ? utc(form.to) : null,
    before,
    limit: PAGE_SIZE,
  };
}

/** The form as the server keeps it: a period that ends now stays one. */
export function toSaved(form: SearchForm): Pick<SavedSearch, "search" | "period"> {
  const { before: _before, limit: _limit, ...search } = toSearch(form, null);
  const period = form.period === "any" || form.period === "between" ? null : form.period;
  return { search: period ? { ...search, from: null, to: null } : search, period };
}

/** A kept search as a form. What a newer server may have put in is left out. */
export function fromSaved({ search, period }: Pick<SavedSearch, "search" | "period">): SearchForm {
  const area = AREAS.find((one) => `${one}.` === search.event);
  const kind = FOLLOWED.find((one) => search[one]);
  const time = (at: string | null | undefined): string => (at ? local(new Date(at)) : "");
  return {
    text: search.text ?? "",
    person: search.person ?? "",
    area: area ?? "",
    network: search.network ?? "",
    only: kind ? { kind, id: search[kind] ?? "" } : null,
    action: search.action ?? "",
    outcome: search.outcome ?? "",
    unusual: search.unusual ?? "",
    period: period ?? (search.from || search.to ? "between" : "any"),
    from: time(search.from),
    to: time(search.to),
  };
}

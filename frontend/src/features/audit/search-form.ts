// The search form's state, and the search it stands for. Times are typed in the browser's zone and sent as UTC.
import type { AuditAction, AuditOutcome, AuditSearch } from "../../api/types";

export interface SearchForm {
  text: string;
  action: AuditAction | "";
  outcome: AuditOutcome | "";
  /** `YYYY-MM-DDTHH:MM` in local time, or "". */
  from: string;
  to: string;
}

export const EMPTY_SEARCH: SearchForm = { text: "", action: "", outcome: "", from: "", to: "" };
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
  return {
    text: form.text.trim() === "" ? null : form.text.trim(),
    action: form.action === "" ? null : form.action,
    outcome: form.outcome === "" ? null : form.outcome,
    from: utc(form.from),
    to: utc(form.to),
    before,
    limit: PAGE_SIZE,
  };
}

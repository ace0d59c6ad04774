// What the auditor is looking for, kept while they move between the tabs of the log.
import { signal } from "@preact/signals";
import { navigate } from "../../router";
import { EMPTY_SEARCH, type SearchForm } from "./search-form";

/** The search that the entries show. */
export const wanted = signal<SearchForm>(EMPTY_SEARCH);

/** Shows the entries of another search. */
export function lookFor(form: SearchForm): void {
  wanted.value = form;
  navigate("/audit");
}

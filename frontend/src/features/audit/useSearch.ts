// A search of the log and its pages. Searching is audited too, so it happens when asked, not while typing.
import { useEffect, useRef, useState } from "preact/hooks";
import { api } from "../../api/client";
import { asProblem, type Problem } from "../../api/problem";
import type { AuditEntry } from "../../api/types";
import { EMPTY_SEARCH, toSearch, type SearchForm } from "./search-form";

interface Found {
  entries: AuditEntry[];
  nextBefore: number | null;
  size: number;
  complete: boolean;
}

export interface Search {
  found: Found | null;
  /** Entries in the log when it was last asked. */
  size: number | null;
  problem: Problem | null;
  busy: boolean;
  /** Finds the newest entries. */
  begin: (form: SearchForm) => void;
  /** Finds the next older ones of the same search. */
  more: () => void;
}

export function useSearch(first: SearchForm): Search {
  const [found, setFound] = useState<Found | null>(null);
  const [size, setSize] = useState<number | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const form = useRef(EMPTY_SEARCH);
  const controller = useRef<AbortController | null>(null);
  const run = (before: number | null): void => {
    controller.current?.abort();
    const mine = new AbortController();
    controller.current = mine;
    setBusy(true);
    setProblem(null);
    // what was found for another search is not the answer to this one
    if (before === null) setFound(null);
    api.searchAudit(toSearch(form.current, before), mine.signal).then(
      (page) => {
        setSize(page.size);
        setFound((old) => ({
          entries: before === null ? page.entries : [...(old?.entries ?? []), ...page.entries],
          nextBefore: page.next_before,
          size: page.size,
          complete: page.complete,
        }));
        setBusy(false);
      },
      (error: unknown) => {
        if (mine.signal.aborted) return;
        setProblem(asProblem(error));
        setBusy(false);
      },
    );
  };
  const begin = (next: SearchForm): void => {
    form.current = next;
    run(null);
  };
  useEffect(() => {
    begin(first);
    return () => controller.current?.abort();
  }, []);
  return { found, size, problem, busy, begin, more: () => run(found?.nextBefore ?? null) };
}

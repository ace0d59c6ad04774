// The audit log for the auditor: search, read, verify, export. Searching is audited too, so it happens when asked, not while typing.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { api } from "../../api/client";
import { asProblem, type Problem } from "../../api/problem";
import type { AuditEntry } from "../../api/types";
import { t } from "../../messages";
import "../../messages/audit";
import { focusFirstError } from "../../state/forms";
import { announce, Button, Card, EmptyState, Field, Page, ProblemNotice, Select, Skeleton } from "../../ui";
import "./audit.css";
import { Entries } from "./Entries";
import { EMPTY_SEARCH, isBackwards, toSearch, type SearchForm } from "./search-form";
import { Reviews } from "./Reviews";
import { Verification } from "./Verification";

interface Found {
  entries: AuditEntry[];
  nextBefore: number | null;
  size: number;
}

interface Search {
  found: Found | null;
  problem: Problem | null;
  busy: boolean;
  /** Finds the newest entries. */
  begin: (form: SearchForm) => void;
  /** Finds the next older ones of the same search. */
  more: () => void;
}

function useSearch(): Search {
  const [found, setFound] = useState<Found | null>(null);
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
    api.searchAudit(toSearch(form.current, before), mine.signal).then(
      (page) => {
        setFound((old) => ({
          entries: before === null ? page.entries : [...(old?.entries ?? []), ...page.entries],
          nextBefore: page.next_before,
          size: page.size,
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
  useEffect(() => {
    run(null);
    return () => controller.current?.abort();
  }, []);
  return {
    found,
    problem,
    busy,
    begin: (next) => {
      form.current = next;
      run(null);
    },
    more: () => run(found?.nextBefore ?? null),
  };
}

function Form({ busy, onSearch }: { busy: boolean; onSearch: (form: SearchForm) => void }): JSX.Element {
  const [form, setForm] = useState(EMPTY_SEARCH);
  const [tried, setTried] = useState(false);
  const set = <K extends keyof SearchForm>(field: K) => (value: SearchForm[K]): void => setForm((old) => ({ ...old, [field]: value }));
  const any = { value: "" as const, label: t("audit.search.any") };
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    setTried(true);
    if (isBackwards(form)) focusFirstError(event.currentTarget as HTMLFormElement);
    else onSearch(form);
  };
  return (
    <form class="audit-search" role="search" onSubmit={submit} noValidate aria-label={t("audit.search.title")}>
      <div class="audit-search__text">
        <Field
          label={t("audit.search.text")}
          hint={t("audit.search.text_hint")}
          type="search"
          value={form.text}
          onInput={set("text")}
          maxLength={200}
          spellcheck={false}
        />
      </div>
      <Select
        label={t("audit.search.action")}
        value={form.action}
        onChange={set("action")}
        options={[any, ...(["C", "R", "U", "D", "E"] as const).map((value) => ({ value, label: t(`audit.action.${value}`) }))]}
      />
      <Select
        label={t("audit.search.outcome")}
        value={form.outcome}
        onChange={set("outcome")}
        options={[
          any,
          ...(["success", "denied", "failure"] as const).map((value) => ({ value, label: t(`audit.outcome.${value}`) })),
        ]}
      />
      <Field label={t("audit.search.from")} type="datetime-local" value={form.from} onInput={set("from")} />
      <Field
        label={t("audit.search.to")}
        type="datetime-local"
        value={form.to}
        onInput={set("to")}
        error={tried && isBackwards(form) ? t("audit.search.range") : undefined}
      />
      <div class="audit-search__go">
        <Button variant="primary" icon="search" type="submit" busy={busy}>
          {t("audit.search.submit")}
        </Button>
        <Button
          variant="quiet"
          onClick={() => {
            setForm(EMPTY_SEARCH);
            setTried(false);
            onSearch(EMPTY_SEARCH);
          }}
        >
          {t("audit.search.clear")}
        </Button>
      </div>
    </form>
  );
}

function Results({ search }: { search: Search }): JSX.Element {
  const { found, problem, busy } = search;
  const shown = found ? t("audit.shown", { count: found.entries.length, size: found.size }) : "";
  useEffect(() => {
    if (shown) announce(shown);
  }, [shown]);
  return (
    <section class="stack" aria-labelledby="audit-results">
      <div class="row row--spread">
        <h2 id="audit-results">{t("audit.results")}</h2>
        {found && <p class="soft small numbers">{shown}</p>}
      </div>
      {problem && <ProblemNotice problem={problem} {...(found ? {} : { onRetry: search.more })} />}
      {!found && !problem && <Skeleton lines={6} />}
      {found &&
        (found.entries.length === 0 ? (
          <EmptyState icon="search" title={t("audit.none.title")}>
            {t("audit.none.text")}
          </EmptyState>
        ) : (
          <Entries entries={found.entries} />
        ))}
      {found && found.nextBefore !== null && (
        <div class="row">
          <Button icon="chevron-down" busy={busy} onClick={search.more}>
            {t("audit.more")}
          </Button>
        </div>
      )}
    </section>
  );
}

export default function AuditPage(): JSX.Element {
  const search = useSearch();
  return (
    <Page title={t("audit.title")} intro={t("audit.intro")}>
      <div class="stack stack--loose">
        <Verification />
        <Card title={t("audit.search.title")}>
          <Form busy={search.busy} onSearch={search.begin} />
        </Card>
        <Results search={search} />
        <Reviews size={search.found?.size ?? null} />
      </div>
    </Page>
  );
}

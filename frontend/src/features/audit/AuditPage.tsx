// The audit log for the auditor: search, read, verify, export. Searching is audited too, so it happens when asked, not while typing.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { api } from "../../api/client";
import { asProblem, type Problem } from "../../api/problem";
import type { AuditEntry } from "../../api/types";
import { t } from "../../messages";
import "../../messages/audit";
import { focusFirstError } from "../../state/forms";
import { download } from "../../state/download";
import { useAction, useResource } from "../../state/resource";
import { announce, Button, Card, EmptyState, Field, Page, ProblemNotice, Segmented, Select, Skeleton, toast } from "../../ui";
import "./audit.css";
import { Entries } from "./Entries";
import { AREAS, EMPTY_SEARCH, isBackwards, toSearch, type SearchForm } from "./search-form";
import { Reviews } from "./Reviews";
import { Verification } from "./Verification";

interface Found {
  entries: AuditEntry[];
  nextBefore: number | null;
  size: number;
}

interface Search {
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

function useSearch(): Search {
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
    size,
    problem,
    busy,
    begin: (next) => {
      form.current = next;
      run(null);
    },
    more: () => run(found?.nextBefore ?? null),
  };
}

function Form({ form, setForm, busy, onSearch }: {
  form: SearchForm;
  setForm: (form: SearchForm) => void;
  busy: boolean;
  onSearch: (form: SearchForm) => void;
}): JSX.Element {
  const [tried, setTried] = useState(false);
  const people = useResource((signal) => api.users(signal), []);
  const set = <K extends keyof SearchForm>(field: K) => (value: SearchForm[K]): void => setForm({ ...form, [field]: value });
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
        label={t("audit.search.person")}
        value={form.person}
        onChange={set("person")}
        options={[any, ...(people.data ?? []).map((user) => ({ value: user.id, label: user.display_name }))]}
      />
      <Select
        label={t("audit.search.area")}
        value={form.area}
        onChange={set("area")}
        options={[any, ...AREAS.map((value) => ({ value, label: t(`audit.area.${value}`) }))]}
      />
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
      <Field
        label={t("audit.search.network")}
        value={form.network}
        onInput={set("network")}
        maxLength={64}
        spellcheck={false}
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

const FILES = { csv: "csv", ndjson: "ndjson", fhir: "fhir.json" } as const;

/** Saves everything that fits the search, not only what is shown. */
function TakeAway({ form }: { form: SearchForm }): JSX.Element {
  const take = useAction(async (kind: keyof typeof FILES) => {
    const file = `bedside-audit-${new Date().toISOString().slice(0, 19).replace(/[:T]/g, "-")}.${FILES[kind]}`;
    const { before: _before, limit: _limit, ...search } = toSearch(form, null);
    download(await api.exportAudit(kind, search), file);
    toast(t("audit.export.done", { file }));
  });
  return (
    <div class="row" role="group" aria-label={t("audit.take")}>
      {(Object.keys(FILES) as (keyof typeof FILES)[]).map((kind) => (
        <Button key={kind} variant="quiet" icon="download" busy={take.busy} onClick={() => void take.run(kind)}>
          {t(`audit.take.${kind}`)}
        </Button>
      ))}
      {take.problem && <ProblemNotice problem={take.problem} />}
    </div>
  );
}

function Results({ search, form, onSearch }: { search: Search; form: SearchForm; onSearch: (form: SearchForm) => void }): JSX.Element {
  const { found, problem, busy } = search;
  const [timeline, setTimeline] = useState(false);
  const heading = useRef<HTMLHeadingElement>(null);
  const follow = (next: SearchForm, asItHappened: boolean): void => {
    setTimeline(asItHappened);
    onSearch(next);
    heading.current?.focus();
  };
  const shown = found ? t("audit.shown", { count: found.entries.length, size: found.size }) : "";
  useEffect(() => {
    if (shown) announce(shown);
  }, [shown]);
  return (
    <section class="stack" aria-labelledby="audit-results">
      <div class="row row--spread">
        <h2 id="audit-results" tabIndex={-1} ref={heading}>
          {t("audit.results")}
        </h2>
        {found && <p class="soft small numbers">{shown}</p>}
      </div>
      {form.only && (
        <div class="row">
          <strong class="audit-only">{t(`audit.only.${form.only.kind}`, { id: form.only.id })}</strong>
          <Button variant="quiet" icon="close" onClick={() => follow({ ...form, only: null }, false)}>
            {t("audit.only.remove")}
          </Button>
        </div>
      )}
      <div class="row row--spread">
      <Segmented
        label={t("audit.order")}
        value={timeline ? "timeline" : "newest"}
        onChange={(value) => setTimeline(value === "timeline")}
        options={[
          { value: "newest", label: t("audit.order.newest") },
          { value: "timeline", label: t("audit.order.timeline") },
        ]}
      />
        <TakeAway form={form} />
      </div>
      {problem && <ProblemNotice problem={problem} {...(found ? {} : { onRetry: search.more })} />}
      {!found && !problem && <Skeleton lines={6} />}
      {found &&
        (found.entries.length === 0 ? (
          <EmptyState icon="search" title={t("audit.none.title")}>
            {t("audit.none.text")}
          </EmptyState>
        ) : (
          <Entries
            entries={found.entries}
            timeline={timeline}
            onPerson={(person) => follow({ ...EMPTY_SEARCH, person }, false)}
            onThing={(kind, id) => follow({ ...EMPTY_SEARCH, only: { kind, id } }, kind === "consultation")}
          />
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
  const [form, setForm] = useState(EMPTY_SEARCH);
  const begin = (next: SearchForm): void => {
    setForm(next);
    search.begin(next);
  };
  return (
    <Page title={t("audit.title")} intro={t("audit.intro")}>
      <div class="stack stack--loose">
        <Verification />
        <Card title={t("audit.search.title")}>
          <Form form={form} setForm={setForm} busy={search.busy} onSearch={begin} />
        </Card>
        <Results search={search} form={form} onSearch={begin} />
        <Reviews size={search.size} />
      </div>
    </Page>
  );
}

// Finding entries: the form, what it found, and taking that away.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { api } from "../../api/client";
import { t } from "../../messages";
import { download } from "../../state/download";
import { useAction } from "../../state/resource";
import { announce, Button, Card, Checkbox, EmptyState, Notice, ProblemNotice, Segmented, Skeleton, toast } from "../../ui";
import { wanted } from "./desk";
import { Entries } from "./Entries";
import { EMPTY_SEARCH, toSearch, type SearchForm } from "./search-form";
import { Reviews } from "./Reviews";
import { SearchFields } from "./SearchFields";
import { useSearch, type Search } from "./useSearch";

const FILES = { csv: "csv", ndjson: "ndjson", fhir: "fhir.json", cef: "cef" } as const;

/** Saves everything that fits the search, not only what is shown. */
function TakeAway({ form }: { form: SearchForm }): JSX.Element {
  const [disclose, setDisclose] = useState(false);
  const take = useAction(async (kind: keyof typeof FILES) => {
    const file = `bedside-audit-${new Date().toISOString().slice(0, 19).replace(/[:T]/g, "-")}.${FILES[kind]}`;
    const { before: _before, limit: _limit, ...search } = toSearch(form, null);
    download(await api.exportAudit(kind, search, disclose), file);
    toast(t("audit.export.done", { file }));
  });
  return (
    <div class="row" role="group" aria-label={t("audit.take")}>
      {(Object.keys(FILES) as (keyof typeof FILES)[]).map((kind) => (
        <Button key={kind} variant="quiet" icon="download" busy={take.busy} onClick={() => void take.run(kind)}>
          {t(`audit.take.${kind}`)}
        </Button>
      ))}
      <Checkbox label={t("audit.take.networks")} checked={disclose} onChange={setDisclose} />
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
          <strong class="audit-only">{t(`audit.only.${form.only.kind}`, { id: form.only.name ?? form.only.id })}</strong>
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
      {found && !found.complete && <Notice kind="warning">{t("audit.incomplete")}</Notice>}
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

export function EntriesTab(): JSX.Element {
  const search = useSearch(wanted.peek());
  const [form, setForm] = useState(wanted.peek());
  const begin = (next: SearchForm): void => {
    setForm(next);
    wanted.value = next;
    search.begin(next);
  };
  return (
    <div class="stack stack--loose">
      <Card title={t("audit.search.title")}>
        <SearchFields form={form} setForm={setForm} busy={search.busy} onSearch={begin} />
      </Card>
      <Results search={search} form={form} onSearch={begin} />
      <Reviews size={search.size} />
    </div>
  );
}

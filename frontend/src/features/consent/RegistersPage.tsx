// The registers of consents: decisions, withdrawals, coverage of consultations, and the words that were in force.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { api } from "../../api/client";
import { problemMessage } from "../../api/problem";
import type { Consent, ConsentCoverage, ConsentSearch, Decided, Purpose, TextInForce } from "../../api/types";
import { t } from "../../messages";
import { formatDateTime, formatMoment } from "../../messages/dates";
import "../../messages/staff";
import "../../styles/call.css";
import { useAction, useResource } from "../../state/resource";
import { Badge, Button, Card, EmptyState, Field, Icon, Loaded, Notice, Page, Segmented, Select, Table } from "../../ui";
import { testId } from "../call/testId";
import { download } from "../../state/download";
import { ownName } from "./words";

type Register = "decisions" | "withdrawals" | "coverage" | "texts";
const REGISTERS: readonly Register[] = ["decisions", "withdrawals", "coverage", "texts"];
const PURPOSES: readonly Purpose[] = [
  "care_by_video",
  "recording_audio",
  "recording_video",
  "interpreter_presence",
  "teaching",
  "third_party_sharing",
];
const BADGES = { permit: "success", deny: "neutral", withdrawn: "warning" } as const;

interface Filters {
  id: string;
  decision: Decided | "any";
  purpose: Purpose | "any";
  from: string;
  to: string;
}

const NO_FILTERS: Filters = { id: "", decision: "any", purpose: "any", from: "", to: "" };

/** What is asked of the server; an empty filter is left out. */
export function searchOf(filters: Filters, register: "decisions" | "withdrawals"): ConsentSearch {
  const decision = register === "withdrawals" ? "withdrawn" : filters.decision;
  return {
    ...(filters.id.trim() === "" ? {} : { id: filters.id.trim() }),
    ...(decision === "any" ? {} : { decision }),
    ...(filters.purpose === "any" ? {} : { purpose: filters.purpose }),
    ...(filters.from === "" ? {} : { from: new Date(`${filters.from}T00:00:00`).toISOString() }),
    ...(filters.to === "" ? {} : { to: new Date(new Date(`${filters.to}T00:00:00`).getTime() + 86_400_000).toISOString() }),
  };
}

const named = (all: readonly Purpose[]): string => all.map((one) => t(`purpose.${one}`)).join(", ") || "–";

function Decisions({ register }: { register: "decisions" | "withdrawals" }): JSX.Element {
  const [filters, setFilters] = useState<Filters>(NO_FILTERS);
  const [search, setSearch] = useState<ConsentSearch>(() => searchOf(NO_FILTERS, register));
  const found = useResource((signal) => api.searchConsents(search, signal), [JSON.stringify(search)]);
  const take = useAction(async (form: "csv" | "fhir") => {
    download(await api.exportConsents(search, form), form === "csv" ? "consents.csv" : "consents.fhir.json");
  });
  const change = (part: Partial<Filters>): void => setFilters((old) => ({ ...old, ...part }));
  return (
    <div class="stack" data-testid={`register-${register}`}>
      <form
        class="filters"
        onSubmit={(event) => {
          event.preventDefault();
          setSearch(searchOf(filters, register));
        }}
      >
        <Field label={t("registers.id")} hint={t("registers.id_hint")} value={filters.id} onInput={(id) => change({ id })} spellcheck={false} maxLength={36} />
        {register === "decisions" && (
          <Select
            label={t("registers.decision")}
            value={filters.decision}
            onChange={(decision) => change({ decision })}
            options={[
              { value: "any", label: t("registers.any") },
              { value: "permit", label: t("decision.permit") },
              { value: "deny", label: t("decision.deny") },
              { value: "withdrawn", label: t("decision.withdrawn") },
            ]}
          />
        )}
        <Select
          label={t("registers.purpose")}
          value={filters.purpose}
          onChange={(purpose) => change({ purpose })}
          options={[
            { value: "any", label: t("registers.any") },
            ...PURPOSES.map((purpose) => ({ value: purpose, label: t(`purpose.${purpose}`) })),
          ]}
        />
        <Field label={t("registers.from")} type="date" value={filters.from} onInput={(from) => change({ from })} />
        <Field label={t("registers.to")} type="date" value={filters.to} onInput={(to) => change({ to })} />
        <div class="row filters__actions">
          <Button type="submit" variant="primary" icon="search" buttonRef={testId("registers-search")}>
            {t("registers.search")}
          </Button>
          <Button icon="download" busy={take.busy} buttonRef={testId("export-csv")} onClick={() => void take.run("csv")}>
            {t("registers.export_csv")}
          </Button>
          <Button icon="download" busy={take.busy} buttonRef={testId("export-fhir")} onClick={() => void take.run("fhir")}>
            {t("registers.export_fhir")}
          </Button>
        </div>
      </form>
      {take.problem && <Notice kind="danger">{problemMessage(take.problem)}</Notice>}
      <Loaded of={found} lines={6}>
        {(all) =>
          all.length === 0 ? (
            <EmptyState icon="document" title={t("registers.none")}>
              {t("registers.none_text")}
            </EmptyState>
          ) : (
            <Card>
              <Table
                caption={t(`registers.${register}`)}
                rows={all}
                rowKey={(one) => one.id}
                columns={[
                  { key: "when", header: t("registers.when"), main: true, cell: (one: Consent) => formatMoment(one.decided_at) },
                  {
                    key: "who",
                    header: t("registers.who"),
                    cell: (one) => (
                      <span>
                        {one.person ?? "–"} <span class="soft small">({t(`role.${one.role}`)})</span>
                        {one.representative_name !== null && (
                          <span class="small soft">
                            {" "}
                            {t("registers.as_of", {
                              capacity: t(`capacity.${one.capacity}`),
                              name: one.representative_name,
                              relationship: one.representative_relationship ?? "",
                            })}
                          </span>
                        )}
                      </span>
                    ),
                  },
                  {
                    key: "decision",
                    header: t("registers.decision"),
                    cell: (one) => (
                      <span class="row">
                        <Badge kind={BADGES[one.decision]}>{t(`decision.${one.decision}`)}</Badge>
                        {!one.signed && <Badge>{t("registers.unsigned")}</Badge>}
                        {!one.stands && <Badge>{t("registers.counts.no")}</Badge>}
                      </span>
                    ),
                  },
                  {
                    key: "purposes",
                    header: t("registers.purpose"),
                    cell: (one) => (
                      <>
                        {one.permitted.length > 0 && <span>{named(one.permitted)}</span>}
                        {one.denied.length > 0 && (
                          <span class="soft small">
                            {one.permitted.length > 0 && <br />}
                            {t("registers.not_agreed")}: {named(one.denied)}
                          </span>
                        )}
                      </>
                    ),
                  },
                  {
                    key: "text",
                    header: t("registers.text"),
                    cell: (one) => (
                      <span>
                        <span class="mono small break-all">
                          {one.text}/{one.version}
                        </span>{" "}
                        {ownName(one.language)}
                      </span>
                    ),
                  },
                  { key: "consultation", header: t("registers.consultation"), cell: (one) => <span class="mono small break-all">{one.consultation_id}</span> },
                ]}
              />
            </Card>
          )
        }
      </Loaded>
    </div>
  );
}

function standing(person: ConsentCoverage["people"][number]): string {
  const role = t(`role.${person.role}`);
  if (person.declined) return t("registers.covered_declined", { role });
  if (person.required === 0) return t("registers.covered_none", { role });
  return t("registers.covered", { role, given: person.given, required: person.required });
}

function Coverage(): JSX.Element {
  const coverage = useResource((signal) => api.consentCoverage(signal), []);
  return (
    <div data-testid="register-coverage">
      <Loaded of={coverage} lines={6}>
        {(all) => (
          <Card>
            <Table
              caption={t("registers.coverage")}
              rows={all}
              rowKey={(one) => one.consultation_id}
              columns={[
                { key: "when", header: t("registers.when"), main: true, cell: (one: ConsentCoverage) => formatMoment(one.starts_at) },
                {
                  key: "people",
                  header: t("registers.people"),
                  cell: (one) => (
                    <span class="row">
                      {one.people.length === 0 && "–"}
                      {one.people.map((person, index) => (
                        <Badge key={index} kind={person.declined ? "danger" : person.given === person.required ? "success" : "warning"}>
                          {standing(person)}
                        </Badge>
                      ))}
                    </span>
                  ),
                },
                {
                  key: "recordings",
                  header: t("registers.recordings"),
                  cell: (one) =>
                    one.recordings.length === 0
                      ? t("registers.no_recordings")
                      : one.recordings.map((made) => t("registers.recorded", { permitted: made.permitted, decided: made.decided })).join("; "),
                },
                { key: "consultation", header: t("registers.consultation"), cell: (one) => <span class="mono small break-all">{one.consultation_id}</span> },
              ]}
            />
          </Card>
        )}
      </Loaded>
    </div>
  );
}

function Texts(): JSX.Element {
  const texts = useResource((signal) => api.textsInForce(signal), []);
  return (
    <div data-testid="register-texts">
      <Loaded of={texts} lines={6}>
        {(all: TextInForce[]) => (
          <Card>
            {all.map((one) => (
              <details key={`${one.digest}/${one.from}`} class="file">
                <summary>
                  <Icon name="chevron-right" size={18} />
                  <span class="row">
                    <strong lang={one.language}>{one.title}</strong>
                    <span class="mono small">
                      {one.text}/{one.version}
                    </span>
                    <span class="soft">{ownName(one.language)}</span>
                    <Badge kind={one.until === null ? "success" : "neutral"}>
                      {formatDateTime(one.from)} – {one.until === null ? t("registers.until_now") : formatDateTime(one.until)}
                    </Badge>
                  </span>
                </summary>
                <div class="file__body stack stack--tight">
                  <p class="small soft break-all">
                    {t("registers.digest")}: <span class="mono">{one.digest}</span>
                  </p>
                  <pre class="file__content" tabIndex={0} lang={one.language} dir="auto">
                    {one.body}
                  </pre>
                </div>
              </details>
            ))}
          </Card>
        )}
      </Loaded>
    </div>
  );
}

export default function RegistersPage(): JSX.Element {
  const [register, setRegister] = useState<Register>("decisions");
  return (
    <Page title={t("registers.title")} intro={t("registers.intro")}>
      <div class="stack">
        <Segmented
          label={t("registers.which")}
          value={register}
          onChange={setRegister}
          options={REGISTERS.map((value) => ({ value, label: t(`registers.${value}`) }))}
        />
        {(register === "decisions" || register === "withdrawals") && <Decisions key={register} register={register} />}
        {register === "coverage" && <Coverage />}
        {register === "texts" && <Texts />}
      </div>
    </Page>
  );
}

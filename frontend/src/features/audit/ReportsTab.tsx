// Reports: for one patient, and for the clinic over a period. Making one is itself an entry.
import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";
import { api } from "../../api/client";
import type { Accounting, ConsentReport, PatientSeen, RetentionReport } from "../../api/types";
import { t, tOr } from "../../messages";
import { formatBytes, formatCalendarDate, formatDateTime, formatShortDate } from "../../messages/dates";
import { download } from "../../state/download";
import { useAction } from "../../state/resource";
import { Badge, Button, Card, Dialog, Facts, Field, Link, Notice, ProblemNotice, Segmented, Table, TextArea, toast } from "../../ui";
import { ChoosePatient } from "./PatientFilter";

const PERIODS = { month: 30, quarter: 91, year: 366 } as const;
type Period = keyof typeof PERIODS;

function save(file: Blob, name: string): void {
  download(file, name);
  toast(t("audit.export.done", { file: name }));
}

/** A day as it was written down, or an instant. */
function onDay(on: string): string {
  return on.length === 10 ? formatCalendarDate(on) : formatDateTime(on);
}

function Number({ children }: { children: ComponentChildren }): JSX.Element {
  return <span class="numbers">{children}</span>;
}

const EMPTY = { on: "", recipient: "", address: "", description: "", purpose: "" };

function WriteDown({ patient, onDone, onClose }: { patient: PatientSeen; onDone: () => void; onClose: () => void }): JSX.Element {
  const [form, setForm] = useState(EMPTY);
  const [tried, setTried] = useState(false);
  const keep = useAction(async () => {
    await api.recordDisclosure({ patient: patient.id, ...form });
    toast(t("report.disclosure.done"));
    onDone();
  });
  const set = (field: keyof typeof EMPTY) => (value: string): void => setForm({ ...form, [field]: value });
  const missing = (field: keyof typeof EMPTY): string | undefined =>
    (tried && form[field].trim() === "") || keep.problem?.field(field) ? t(`report.disclosure.${field}_missing` as "report.disclosure.on_missing") : undefined;
  const whole = (["on", "recipient", "description", "purpose"] as const).every((field) => form[field].trim() !== "");
  return (
    <Dialog
      title={t("report.disclosure.add")}
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>{t("action.cancel")}</Button>
          <Button
            variant="primary"
            busy={keep.busy}
            onClick={() => {
              setTried(true);
              if (whole) void keep.run();
            }}
          >
            {t("report.disclosure.submit")}
          </Button>
        </>
      }
    >
      <p>{t("report.disclosure.intro", { name: patient.name })}</p>
      <Field label={t("report.disclosure.on")} type="date" value={form.on} onInput={set("on")} error={missing("on")} required />
      <Field label={t("report.disclosure.recipient")} value={form.recipient} onInput={set("recipient")} error={missing("recipient")} maxLength={200} required />
      <Field label={t("report.disclosure.address")} value={form.address} onInput={set("address")} maxLength={300} optional />
      <TextArea label={t("report.disclosure.description")} value={form.description} onInput={set("description")} error={missing("description")} maxLength={500} />
      <TextArea label={t("report.disclosure.purpose")} value={form.purpose} onInput={set("purpose")} error={missing("purpose")} maxLength={500} />
      {keep.problem && keep.problem.fields.length === 0 && <ProblemNotice problem={keep.problem} />}
    </Dialog>
  );
}

function Disclosures({ accounting }: { accounting: Accounting }): JSX.Element {
  return (
    <div class="stack">
      <p class="soft small">
        {t("report.disclosures.stretch", { from: formatShortDate(accounting.from), to: formatShortDate(accounting.to) })}
      </p>
      {accounting.disclosures.length === 0 ? (
        <p>{t("report.disclosures.none")}</p>
      ) : (
        <Table
          caption={t("report.disclosures")}
          rows={accounting.disclosures}
          rowKey={(one) => String(one.index)}
          columns={[
            { key: "on", header: t("report.disclosure.on"), main: true, cell: (one) => onDay(one.on) },
            {
              key: "recipient",
              header: t("report.disclosure.recipient"),
              cell: (one) => (
                <>
                  {one.recipient}
                  {one.address && <div class="soft small">{one.address}</div>}
                </>
              ),
            },
            { key: "description", header: t("report.disclosure.description"), cell: (one) => one.description },
            { key: "purpose", header: t("report.disclosure.purpose"), cell: (one) => tOr(`audit.purpose.${one.purpose}`, one.purpose) },
            {
              key: "way",
              header: t("report.disclosure.way"),
              cell: (one) => <Badge kind={one.exempt ? "neutral" : "info"}>{t(one.exempt ? "report.way.exempt" : `report.way.${one.way}`)}</Badge>,
            },
          ]}
        />
      )}
    </div>
  );
}

function ForPatient(): JSX.Element {
  const [patient, setPatient] = useState<PatientSeen | null>(null);
  const [choosing, setChoosing] = useState(false);
  const [writing, setWriting] = useState(false);
  const [language, setLanguage] = useState<"en" | "es">("en");
  const [accounting, setAccounting] = useState<Accounting | null>(null);
  const show = useAction(async () => {
    if (patient) setAccounting(await api.accounting(patient.id));
  });
  const take = useAction(async () => {
    if (patient) save(await api.accountingFile(patient.id), "disclosures.csv");
  });
  const report = useAction(async () => {
    if (patient) save(await api.patientReport(patient.id, language), "access-report.html");
  });
  const problem = show.problem ?? take.problem ?? report.problem;
  return (
    <Card title={t("report.patient.title")} intro={t("report.patient.intro")}>
      <div class="stack">
        <div class="row">
          <Button variant={patient ? "secondary" : "primary"} icon="person" onClick={() => setChoosing(true)}>
            {t(patient ? "report.patient.other" : "report.patient.choose")}
          </Button>
          {patient && (
            <p>
              <strong>{patient.name}</strong> <span class="soft">{patient.identifier}</span>
            </p>
          )}
        </div>
        {patient && (
          <div class="reports">
            <section class="stack" aria-labelledby="report-disclosures">
              <h3 id="report-disclosures">{t("report.disclosures")}</h3>
              <p class="soft small">{t("report.disclosures.intro")}</p>
              <div class="row">
                <Button icon="document" busy={show.busy} onClick={() => void show.run()}>
                  {t("report.show")}
                </Button>
                <Button variant="quiet" icon="download" busy={take.busy} onClick={() => void take.run()}>
                  {t("report.csv")}
                </Button>
                <Button variant="quiet" icon="plus" onClick={() => setWriting(true)}>
                  {t("report.disclosure.add")}
                </Button>
              </div>
            </section>
            <section class="stack" aria-labelledby="report-access">
              <h3 id="report-access">{t("report.access")}</h3>
              <p class="soft small">{t("report.access.intro")}</p>
              <div class="row">
                <Segmented
                  label={t("report.access.language")}
                  value={language}
                  onChange={setLanguage}
                  options={[
                    { value: "en", label: "English", lang: "en" },
                    { value: "es", label: "Español", lang: "es" },
                  ]}
                />
                <Button icon="download" busy={report.busy} onClick={() => void report.run()}>
                  {t("report.access.save")}
                </Button>
              </div>
            </section>
          </div>
        )}
        {problem && <ProblemNotice problem={problem} />}
        {patient && accounting && <Disclosures accounting={accounting} />}
      </div>
      {choosing && (
        <ChoosePatient
          onClose={() => setChoosing(false)}
          onChoose={(one) => {
            setChoosing(false);
            setPatient(one);
            setAccounting(null);
          }}
        />
      )}
      {writing && patient && (
        <WriteDown
          patient={patient}
          onClose={() => setWriting(false)}
          onDone={() => {
            setWriting(false);
            void show.run();
          }}
        />
      )}
    </Card>
  );
}

function Retention({ report }: { report: RetentionReport }): JSX.Element {
  return (
    <div class="stack">
      <Table
        caption={t("report.retention")}
        rows={report.kept}
        rowKey={(one) => one.class}
        columns={[
          { key: "class", header: t("report.retention.class"), main: true, cell: (one) => one.class },
          { key: "days", header: t("report.retention.days"), end: true, cell: (one) => <Number>{one.keep_days}</Number> },
          { key: "recordings", header: t("report.retention.recordings"), end: true, cell: (one) => <Number>{one.recordings}</Number> },
          { key: "bytes", header: t("report.retention.size"), end: true, cell: (one) => <Number>{formatBytes(one.bytes)}</Number> },
          { key: "held", header: t("report.retention.held"), end: true, cell: (one) => <Number>{one.held}</Number> },
          { key: "due", header: t("report.retention.due"), end: true, cell: (one) => <Number>{one.due}</Number> },
          { key: "next", header: t("report.retention.next"), end: true, cell: (one) => (one.next_due ? formatShortDate(one.next_due) : "–") },
        ]}
      />
      <Facts
        items={[
          [t("report.retention.entries"), <Number>{report.entries}</Number>],
          report.since ? [t("report.retention.since"), formatDateTime(report.since)] : null,
          [t("report.retention.readable"), <Number>{report.readable_subjects}</Number>],
          [t("report.retention.erased"), <Number>{report.erased_subjects}</Number>],
        ]}
      />
      {report.destroyed.length === 0 ? (
        <p>{t("report.retention.nothing")}</p>
      ) : (
        <Table
          caption={t("report.retention.destroyed")}
          rows={report.destroyed}
          rowKey={(one) => String(one.index)}
          columns={[
            { key: "at", header: t("audit.field.at"), main: true, cell: (one) => formatDateTime(one.at) },
            { key: "what", header: t("report.retention.what"), cell: (one) => t(`report.destroyed.${one.what}`) },
            { key: "id", header: t("audit.field.id"), cell: (one) => <span class="entry__mono">{one.id}</span> },
            { key: "reason", header: t("report.retention.reason"), cell: (one) => one.reason },
          ]}
        />
      )}
    </div>
  );
}

function Consents({ report }: { report: ConsentReport }): JSX.Element {
  return (
    <div class="stack">
      {report.without_consent > 0 ? (
        <Notice kind="danger">{t("report.consents.without", { count: report.without_consent })}</Notice>
      ) : (
        <Notice kind="success">{report.recordings === 0 ? t("report.consents.no_recordings") : t("report.consents.all", { count: report.recordings })}</Notice>
      )}
      {report.decisions.length === 0 ? (
        <p>{t("report.consents.none")}</p>
      ) : (
        <Table
          caption={t("report.consents")}
          rows={report.decisions}
          rowKey={(one) => `${one.text} ${one.decision} ${one.method}`}
          columns={[
            { key: "text", header: t("report.consents.text"), main: true, cell: (one) => one.text },
            { key: "decision", header: t("report.consents.decision"), cell: (one) => t(`report.decision.${one.decision}`) },
            { key: "method", header: t("report.consents.method"), cell: (one) => one.method.replace(/_/g, " ") },
            { key: "count", header: t("report.consents.decisions"), end: true, cell: (one) => <Number>{one.decisions}</Number> },
            { key: "people", header: t("report.consents.people"), end: true, cell: (one) => <Number>{one.people}</Number> },
          ]}
        />
      )}
      <Facts
        items={[
          [t("report.consents.withdrawn"), <Number>{report.withdrawn}</Number>],
          [t("report.consents.samples"), report.samples.length === 0 ? t("report.consents.no_samples") : report.samples.join(", ")],
        ]}
      />
    </div>
  );
}

function ForClinic(): JSX.Element {
  const [period, setPeriod] = useState<Period>("month");
  const [retention, setRetention] = useState<RetentionReport | null>(null);
  const [consents, setConsents] = useState<ConsentReport | null>(null);
  const stretch = (): { from: string; to: string } => {
    const to = new Date();
    return { from: new Date(to.getTime() - PERIODS[period] * 86_400_000).toISOString(), to: to.toISOString() };
  };
  const showRetention = useAction(async () => setRetention(await api.retentionReport(stretch())));
  const takeRetention = useAction(async () => save(await api.reportFile("retention", stretch()), "retention.csv"));
  const showConsents = useAction(async () => setConsents(await api.consentReport(stretch())));
  const takeConsents = useAction(async () => save(await api.reportFile("consents", stretch()), "consents.csv"));
  const change = (next: Period): void => {
    setPeriod(next);
    setRetention(null);
    setConsents(null);
  };
  return (
    <Card title={t("report.clinic.title")} intro={t("report.clinic.intro")}>
      <div class="stack">
        <div>
          <Segmented
            label={t("audit.activity.range")}
            value={period}
            onChange={change}
            options={(Object.keys(PERIODS) as Period[]).map((value) => ({ value, label: t(`report.period.${value}`) }))}
          />
        </div>
        <section class="stack" aria-labelledby="report-retention">
          <div class="row row--spread">
            <h3 id="report-retention">{t("report.retention")}</h3>
            <div class="row">
              <Button icon="document" busy={showRetention.busy} onClick={() => void showRetention.run()}>
                {t("report.show")}
              </Button>
              <Button variant="quiet" icon="download" busy={takeRetention.busy} onClick={() => void takeRetention.run()}>
                {t("report.csv")}
              </Button>
            </div>
          </div>
          <p class="soft small">{t("report.retention.intro")}</p>
          {(showRetention.problem ?? takeRetention.problem) && <ProblemNotice problem={(showRetention.problem ?? takeRetention.problem)!} />}
          {retention && <Retention report={retention} />}
        </section>
        <section class="stack report-next" aria-labelledby="report-consents">
          <div class="row row--spread">
            <h3 id="report-consents">{t("report.consents")}</h3>
            <div class="row">
              <Button icon="document" busy={showConsents.busy} onClick={() => void showConsents.run()}>
                {t("report.show")}
              </Button>
              <Button variant="quiet" icon="download" busy={takeConsents.busy} onClick={() => void takeConsents.run()}>
                {t("report.csv")}
              </Button>
            </div>
          </div>
          <p class="soft small">{t("report.consents.intro")}</p>
          {(showConsents.problem ?? takeConsents.problem) && <ProblemNotice problem={(showConsents.problem ?? takeConsents.problem)!} />}
          {consents && <Consents report={consents} />}
        </section>
        <section class="stack report-next" aria-labelledby="report-review">
          <h3 id="report-review">{t("report.review")}</h3>
          <p class="soft small">{t("report.review.intro")}</p>
          <p>
            <Link href="/users/access">{t("report.review.open")}</Link>
          </p>
        </section>
      </div>
    </Card>
  );
}

export function ReportsTab(): JSX.Element {
  return (
    <div class="stack stack--loose">
      <ForPatient />
      <ForClinic />
    </div>
  );
}

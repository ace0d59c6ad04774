// The retention schedule in force in plain words, and what it means for each recording.
import type { JSX } from "preact";
import { api } from "../../api/client";
import type { RetainedRecording, Retention, RetentionClass } from "../../api/types";
import { t, tOr } from "../../messages";
import { formatDate, formatMoment } from "../../messages/dates";
import "../../messages/staff";
import { account } from "../../state/account";
import { useResource } from "../../state/resource";
import { Badge, Card, EmptyState, Link, Loaded, Page, Table, type Column } from "../../ui";
import { RecordingBadge } from "../consultations/StatusBadge";
import "../policies/policies.css";
import { periodText } from "./period";

function Schedule({ retention }: { retention: Retention }): JSX.Element {
  return (
    <Card title={t("retention.schedule")}>
      <div class="stack">
        <ul class="schedule">
          {retention.classes.map((one: RetentionClass) => (
            <li key={one.class} class="schedule__item">
              <p class="schedule__period">{t("retention.keep", { time: periodText(one.keep_days) })}</p>
              <div class="stack stack--tight">
                <div class="row">
                  <h3>{one.class.replace(/[-_]/g, " ")}</h3>
                  {periodText(one.keep_days) !== t("retention.days", { count: one.keep_days }) && (
                    <Badge>{t("retention.days", { count: one.keep_days })}</Badge>
                  )}
                </div>
                <p>{one.description}</p>
                <p class="soft small">{t("retention.basis", { basis: one.basis })}</p>
              </div>
            </li>
          ))}
        </ul>
        <div class="digest-line">
          <span class="faint small">{t("retention.digest")}</span>
          <span class="digest-line__value">{retention.digest}</span>
        </div>
      </div>
    </Card>
  );
}

function due(recording: RetainedRecording): string {
  if (recording.due_at === null) return t(recording.state === "refused" ? "retention.due_refused" : "retention.due_none");
  return new Date(recording.due_at).getTime() < Date.now() && recording.state !== "destroyed"
    ? t("retention.due_past", { when: formatDate(recording.due_at) })
    : formatDate(recording.due_at);
}

function columns(mayOpen: boolean): Column<RetainedRecording>[] {
  return [
    {
      key: "recorded",
      header: t("retention.recorded"),
      main: true,
      cell: (row) => {
        const text = row.started_at ? formatMoment(row.started_at) : tOr(`recording.state.${row.state}`, row.state);
        return mayOpen ? <Link href={`/recordings/${row.recording_id}`}>{text}</Link> : text;
      },
    },
    {
      key: "recording",
      header: t("retention.recording"),
      cell: (row) => <span class="mono break-all">{row.recording_id}</span>,
    },
    { key: "class", header: t("retention.class"), cell: (row) => row.class.replace(/[-_]/g, " ") },
    { key: "state", header: t("recordings.state"), cell: (row) => <RecordingBadge state={row.state} /> },
    { key: "due", header: t("retention.due"), cell: (row) => <span class="numbers">{due(row)}</span> },
  ];
}

export default function RetentionPage(): JSX.Element {
  const retention = useResource((signal) => api.retention(signal), []);
  const mayOpen = account()?.role === "auditor";
  return (
    <Page title={t("retention.title")} intro={t("retention.intro")}>
      <Loaded of={retention} lines={6}>
        {(data) =>
          data.classes.length === 0 ? (
            <EmptyState icon="clock" title={t("retention.empty.title")}>
              {t("retention.empty.text")}
            </EmptyState>
          ) : (
            <div class="stack stack--loose">
              <Schedule retention={data} />
              <Card title={t("retention.recordings")}>
                {data.recordings.length === 0 ? (
                  <p class="soft">{t("retention.recordings_empty")}</p>
                ) : (
                  <Table
                    caption={t("retention.recordings")}
                    columns={columns(mayOpen)}
                    rows={data.recordings}
                    rowKey={(row) => row.recording_id}
                  />
                )}
              </Card>
            </div>
          )
        }
      </Loaded>
    </Page>
  );
}

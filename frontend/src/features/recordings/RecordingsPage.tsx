// What was recorded, for how long it is kept, and the way to play it.
import type { JSX } from "preact";
import { api } from "../../api/client";
import type { Recording } from "../../api/types";
import { t } from "../../messages";
import { formatBytes, formatDuration, formatMoment, formatShortDate } from "../../messages/dates";
import "../../messages/staff";
import { account } from "../../state/account";
import { useResource } from "../../state/resource";
import { Badge, Button, Card, EmptyState, Link, Loaded, Page, Table, type Column } from "../../ui";
import { RecordingBadge } from "../consultations/StatusBadge";
import "./recordings.css";

interface Row {
  recording: Recording;
  /** The patient's name, for the clinician only. */
  patient: string | null;
}

async function loadRows(clinician: boolean, signal: AbortSignal): Promise<Row[]> {
  const [recordings, consultations] = await Promise.all([
    api.recordings(signal),
    // Names are a comfort here: without them the list still stands.
    clinician ? api.consultations(signal).catch(() => []) : [],
  ]);
  const names = new Map(consultations.map((one) => [one.id, one.patient?.name ?? null]));
  return recordings
    .map((recording) => ({ recording, patient: names.get(recording.consultation_id) ?? null }))
    .sort((a, b) => b.recording.requested_at.localeCompare(a.recording.requested_at));
}

function columns(clinician: boolean): Column<Row>[] {
  return [
    {
      key: "when",
      header: t("recordings.when"),
      main: true,
      cell: ({ recording, patient }) => (
        <>
          <Link href={`/recordings/${recording.id}`}>{formatMoment(recording.started_at ?? recording.requested_at)}</Link>
          {patient && <span class="recording-patient">{patient}</span>}
        </>
      ),
    },
    ...(clinician
      ? []
      : [
          {
            key: "consultation",
            header: t("recordings.consultation"),
            cell: ({ recording }: Row) => <span class="mono break-all">{recording.consultation_id}</span>,
          },
        ]),
    {
      key: "length",
      header: t("recordings.length"),
      cell: ({ recording }) =>
        recording.duration_ms === 0 ? (
          "–"
        ) : (
          <span class="numbers">
            {formatDuration(recording.duration_ms)}
            {recording.bytes > 0 && <span class="recording-size">{formatBytes(recording.bytes)}</span>}
          </span>
        ),
    },
    {
      key: "people",
      header: t("recordings.people"),
      cell: ({ recording }) => recording.participants.map((one) => t(`role.${one.role}`)).join(", ") || "–",
    },
    {
      key: "keep",
      header: t("recordings.keep"),
      cell: ({ recording }) => (recording.retention.due_at ? formatShortDate(recording.retention.due_at) : "–"),
    },
    { key: "state", header: t("recordings.state"), cell: ({ recording }) => recording.state === "sealed" && recording.withdrawn === "keep_until_review" ? <Badge kind="warning">{t("recordings.withdrawn")}</Badge> : <RecordingBadge state={recording.state} /> },
    {
      key: "action",
      header: t("recordings.action"),
      bare: true,
      end: true,
      cell: ({ recording }) =>
        clinician && recording.state === "sealed" && recording.withdrawn !== "keep_until_review" ? (
          <Button icon="play" href={`/recordings/${recording.id}`}>
            {t("recordings.play")}
          </Button>
        ) : (
          <Button variant="quiet" href={`/recordings/${recording.id}`}>
            {t("recordings.look")}
          </Button>
        ),
    },
  ];
}

export default function RecordingsPage(): JSX.Element {
  const clinician = account()?.role === "clinician";
  const rows = useResource((signal) => loadRows(clinician, signal), [clinician]);
  return (
    <Page title={t("recordings.title")} intro={t(clinician ? "recordings.intro" : "recordings.intro_auditor")}>
      <Loaded of={rows} lines={6}>
        {(list) =>
          list.length === 0 ? (
            <EmptyState icon="record" title={t("recordings.empty.title")}>
              {t(clinician ? "recordings.empty.text" : "recordings.empty.text_auditor")}
            </EmptyState>
          ) : (
            <Card>
              <Table
                caption={t("recordings.title")}
                columns={columns(clinician)}
                rows={list}
                rowKey={(row) => row.recording.id}
              />
            </Card>
          )
        }
      </Loaded>
    </Page>
  );
}

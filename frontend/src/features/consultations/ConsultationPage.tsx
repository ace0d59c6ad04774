// One consultation before, during and after: its state and what can be done, its patient, links, people and recordings.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { api } from "../../api/client";
import type { Consultation, Participant, Patient, Recording } from "../../api/types";
import { t } from "../../messages";
import { formatCalendarDate, formatDuration, formatMoment, formatMomentInline, formatTime, languageName } from "../../messages/dates";
import "../../messages/staff";
import { navigate } from "../../router";
import { account } from "../../state/account";
import { useAction, useResource } from "../../state/resource";
import { HeldEmergency, TakeEmergency } from "../emergency/TakeEmergency";
import { announce, Button, Card, Confirm, Facts, Loaded, Notice, Page, ProblemNotice, Skeleton, toast } from "../../ui";
import "./consultations.css";
import { ConsentsCard } from "../consent/ConsentsCard";
import { Invitations } from "./Invitations";
import { patientName } from "./patient-name";
import { ConsultationBadge, PlaceBadge, RecordingBadge } from "./StatusBadge";

const REFRESH_MS = 5000;

function whenText(consultation: Consultation): string {
  const { status, starts_at, started_at, ended_at } = consultation;
  switch (status) {
    case "planned":
      return t("detail.starts", { when: formatMomentInline(starts_at) });
    case "in_progress":
      return t("detail.running", { when: formatMomentInline(started_at ?? starts_at) });
    case "cancelled":
      return t("detail.cancelled", { when: formatMomentInline(starts_at) });
    case "completed":
      return started_at && ended_at
        ? t("detail.ended", { from: formatMoment(started_at), to: formatTime(ended_at) })
        : formatMoment(starts_at);
  }
}

function PatientCard({ patient }: { patient: Patient }): JSX.Element {
  return (
    <Card title={t("detail.patient")}>
      <Facts
        items={[
          [t("patient.name"), patient.name],
          [t("patient.identifier"), patient.identifier],
          [t("patient.birth_date"), formatCalendarDate(patient.birth_date)],
          [t("patient.language"), languageName(patient.language)],
          [
            t("patient.call_back"),
            patient.call_back_number ? (
              <a href={`tel:${patient.call_back_number.replace(/[^+\d]/g, "")}`}>{patient.call_back_number}</a>
            ) : (
              <span class="faint">{t("patient.call_back_none")}</span>
            ),
          ],
        ]}
      />
    </Card>
  );
}

function PeopleList({ people }: { people: Participant[] }): JSX.Element {
  if (people.length === 0) return <p class="soft">{t("detail.people_empty")}</p>;
  return (
    <ul class="plain-list">
      {people.map((person) => (
        <li key={person.id}>
          <div class="plain-list__main">
            <strong>{person.name ?? t("people.unnamed")}</strong>
            <span class="soft small">
              {t(`role.${person.role}`)}
              {person.place === "in_call" && person.joined_at && ` · ${t("people.joined", { when: formatTime(person.joined_at) })}`}
            </span>
          </div>
          <PlaceBadge place={person.place} />
        </li>
      ))}
    </ul>
  );
}

function RecordingList({ recordings }: { recordings: Recording[] }): JSX.Element {
  if (recordings.length === 0) return <p class="soft">{t("detail.recordings_empty")}</p>;
  return (
    <ul class="plain-list">
      {recordings.map((recording) => (
        <li key={recording.id}>
          <div class="plain-list__main">
            <strong>{formatMoment(recording.started_at ?? recording.requested_at)}</strong>
            <span class="soft small numbers">{formatDuration(recording.duration_ms)}</span>
          </div>
          <div class="row">
            <RecordingBadge state={recording.state} />
            {recording.state === "sealed" && (
              <Button icon="play" href={`/recordings/${recording.id}`}>
                {t("recordings.play")}
              </Button>
            )}
          </div>
        </li>
      ))}
    </ul>
  );
}

type Asking = "end" | "cancel" | null;

function Detail({ consultation, onChange }: { consultation: Consultation; onChange: (next: Consultation) => void }): JSX.Element {
  const { id, status, waiting } = consultation;
  const me = account();
  const own = consultation.practitioner.id === me?.id;
  const scheduler = me?.role === "scheduler";
  const [asking, setAsking] = useState<Asking>(null);
  const open = status === "planned" || status === "in_progress";
  const people = useResource((signal) => api.participants(id, signal), [id], open && own ? { every: REFRESH_MS, probe: (signal) => api.waiting(signal) } : {});
  const recordings = useResource(
    (signal) => (own ? api.recordings(signal).then((all) => all.filter((one) => one.consultation_id === id)) : Promise.resolve([])),
    [id, status],
  );
  const start = useAction(async () => {
    onChange(await api.startConsultation(id));
    navigate(`/consultations/${id}/call`);
  });
  const finish = useAction(async () => {
    onChange(asking === "end" ? await api.endConsultation(id) : await api.cancelConsultation(id));
    toast(asking === "end" ? t("detail.end_done") : t("detail.cancel_done"));
    setAsking(null);
  });
  const before = useRef(waiting);
  useEffect(() => {
    if (waiting > before.current) announce(t("detail.waiting", { count: waiting }));
    before.current = waiting;
  }, [waiting]);

  return (
    <Page
      title={t("detail.title", { name: patientName(consultation) })}
      heading={patientName(consultation)}
      back={{ href: "/consultations", label: t("detail.back") }}
      intro={
        <span class="consultation__state">
          <ConsultationBadge status={status} />
          {whenText(consultation)}
          {!own && ` · ${t("consultations.with", { name: consultation.practitioner.display_name })}`}
        </span>
      }
      actions={
        <>
          {status === "planned" && (
            <>
              {(own || scheduler) && (
                <Button variant="danger-quiet" onClick={() => setAsking("cancel")}>
                  {t("detail.cancel")}
                </Button>
              )}
              {own && (
                <Button variant="primary" icon="camera" busy={start.busy} onClick={() => void start.run()}>
                  {t("detail.start")}
                </Button>
              )}
            </>
          )}
          {status === "in_progress" && (
            <>
              {own && (
                <Button variant="danger-quiet" onClick={() => setAsking("end")}>
                  {t("detail.end")}
                </Button>
              )}
              {!scheduler && (
                <Button variant="primary" icon="camera" href={`/consultations/${id}/call`}>
                  {t("detail.call")}
                </Button>
              )}
            </>
          )}
        </>
      }
    >
      <div class="stack">
        {start.problem && <ProblemNotice problem={start.problem} />}
        {!own && !scheduler && <HeldEmergency consultationId={id} onGivenBack={() => navigate("/consultations")} />}
        {open && waiting > 0 && (
          <Notice kind="warning" icon="person" title={t("detail.waiting", { count: waiting })}>
            <p>{t("detail.waiting_text")}</p>
          </Notice>
        )}
        <div class="consultation">
          <div class="consultation__column">
            {(own || scheduler) && <Invitations consultation={consultation} />}
            <Card title={t("detail.people")}>
              <Loaded of={people} lines={2}>
                {(list) => <PeopleList people={list} />}
              </Loaded>
            </Card>
          </div>
          <div class="consultation__column">
            {consultation.patient && <PatientCard patient={consultation.patient} />}
            {own && <ConsentsCard consultationId={id} round={`${status}/${waiting}/${people.data?.map((one) => one.place).join()}`} />}
            {own && (
              <Card title={t("detail.recordings")}>
                <Loaded of={recordings} lines={2}>
                  {(list) => <RecordingList recordings={list} />}
                </Loaded>
              </Card>
            )}
          </div>
        </div>
      </div>
      {asking && (
        <Confirm
          title={t(asking === "end" ? "detail.end_title" : "detail.cancel_title")}
          confirmLabel={t(asking === "end" ? "detail.end" : "detail.cancel")}
          danger
          busy={finish.busy}
          problem={finish.problem}
          onConfirm={() => void finish.run()}
          onClose={() => {
            finish.clear();
            setAsking(null);
          }}
        >
          <p>{t(asking === "end" ? "detail.end_text" : "detail.cancel_text")}</p>
        </Confirm>
      )}
    </Page>
  );
}

export default function ConsultationPage({ consultationId }: { consultationId: string }): JSX.Element {
  const [over, setOver] = useState(false);
  const consultation = useResource(
    (signal) => api.consultation(consultationId, signal),
    [consultationId],
    over || account()?.role !== "clinician" ? {} : { every: REFRESH_MS, probe: (signal) => api.waiting(signal) },
  );
  const { data, problem, reload, replace } = consultation;
  useEffect(() => {
    setOver(data !== null && (data.status === "completed" || data.status === "cancelled"));
  }, [data]);
  if (data && !problem) return <Detail consultation={data} onChange={replace} />;
  return (
    <Page title={t("recordings.consultation")} back={{ href: "/consultations", label: t("detail.back") }}>
      {problem?.code === "FORBIDDEN" && account()?.role === "clinician" ? (
        <TakeEmergency consultationId={consultationId} onTaken={reload} />
      ) : problem ? (
        <ProblemNotice problem={problem} onRetry={reload} />
      ) : (
        <Skeleton lines={6} />
      )}
    </Page>
  );
}

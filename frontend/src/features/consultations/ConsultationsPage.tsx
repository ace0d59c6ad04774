// A clinician's day: who waits, what runs, what comes, what was. It refreshes itself while somebody looks.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { api } from "../../api/client";
import type { Consultation } from "../../api/types";
import { t } from "../../messages";
import { formatCalendarDate, formatDay, formatTime } from "../../messages/dates";
import "../../messages/staff";
import { account } from "../../state/account";
import { useResource } from "../../state/resource";
import { announce, Button, EmptyState, Link, Loaded, Page } from "../../ui";
import "./consultations.css";
import { groupConsultations, newlyWaiting } from "./grouping";
import { patientName } from "./patient-name";
import { ConsultationBadge, WaitingBadge } from "./StatusBadge";

const REFRESH_MS = 5000;
const PAST_SHOWN = 8;

function Item({ consultation, withDay }: { consultation: Consultation; withDay: boolean }): JSX.Element {
  const { id, status, patient, waiting, practitioner } = consultation;
  const scheduler = account()?.role === "scheduler";
  const at = consultation.started_at ?? consultation.starts_at;
  return (
    <li class={waiting > 0 ? "visit visit--waiting" : "visit"}>
      <p class="visit__when numbers">
        <span class="visit__time">{formatTime(at)}</span>
        {withDay && <span class="visit__day">{formatDay(at)}</span>}
      </p>
      <div class="visit__who">
        <h3 class="visit__name">
          <Link href={`/consultations/${id}`}>{patientName(consultation)}</Link>
        </h3>
        {patient && (
          <p class="soft small">
            {patient.identifier} · {t("patient.born", { date: formatCalendarDate(patient.birth_date) })}
            {scheduler && ` · ${t("consultations.with", { name: practitioner.display_name })}`}
          </p>
        )}
      </div>
      <div class="visit__state">
        <WaitingBadge count={waiting} />
        {waiting === 0 && status !== "planned" && <ConsultationBadge status={status} />}
      </div>
      {status === "in_progress" && !scheduler && (
        <div class="visit__go">
          <Button variant={waiting > 0 ? "primary" : "secondary"} icon="camera" href={`/consultations/${id}/call`}>
            {t("consultations.call")}
          </Button>
        </div>
      )}
    </li>
  );
}

function Group(props: { title: string; items: Consultation[]; withDay?: boolean; limit?: number }): JSX.Element | null {
  const [all, setAll] = useState(false);
  if (props.items.length === 0) return null;
  const cut = !all && props.limit !== undefined && props.items.length > props.limit;
  const shown = cut ? props.items.slice(0, props.limit) : props.items;
  return (
    <section class="visits">
      <h2>{props.title}</h2>
      <ul class="visits__list">
        {shown.map((consultation) => (
          <Item key={consultation.id} consultation={consultation} withDay={props.withDay ?? false} />
        ))}
      </ul>
      {cut && (
        <Button variant="quiet" icon="chevron-down" onClick={() => setAll(true)}>
          {t("consultations.all_past", { count: props.items.length })}
        </Button>
      )}
    </section>
  );
}

function List({ all }: { all: Consultation[] }): JSX.Element {
  const before = useRef<Consultation[] | null>(null);
  useEffect(() => {
    for (const consultation of newlyWaiting(before.current ?? [], all)) {
      announce(t("consultations.announce", { name: patientName(consultation) }));
    }
    before.current = all;
  }, [all]);
  if (all.length === 0) {
    return (
      <EmptyState
        icon="calendar"
        title={t("consultations.empty.title")}
        action={
          <Button variant="primary" icon="plus" href="/consultations/new">
            {t("consultations.new")}
          </Button>
        }
      >
        {t("consultations.empty.text")}
      </EmptyState>
    );
  }
  const groups = groupConsultations(all, new Date());
  return (
    <div class="stack stack--loose">
      <Group title={t("consultations.in_progress")} items={groups.inProgress} />
      <Group title={t("consultations.today")} items={groups.today} />
      {groups.today.length === 0 && groups.inProgress.length === 0 && (
        <p class="soft">{t("consultations.nothing_today")}</p>
      )}
      <Group title={t("consultations.later")} items={groups.later} withDay />
      <Group title={t("consultations.overdue")} items={groups.overdue} withDay />
      <Group title={t("consultations.past")} items={groups.past} withDay limit={PAST_SHOWN} />
    </div>
  );
}

export default function ConsultationsPage(): JSX.Element {
  const consultations = useResource(
    (signal) => api.consultations(signal),
    [],
    account()?.role === "clinician" ? { every: REFRESH_MS, probe: (signal) => api.waiting(signal) } : {},
  );
  const waiting = (consultations.data ?? []).reduce((sum, consultation) => sum + consultation.waiting, 0);
  const title = t("consultations.title");
  return (
    <Page
      title={waiting > 0 ? `(${waiting}) ${title}` : title}
      heading={title}
      actions={
        <Button variant="primary" icon="plus" href="/consultations/new">
          {t("consultations.new")}
        </Button>
      }
    >
      <Loaded of={consultations} lines={6}>
        {(all) => <List all={all} />}
      </Loaded>
    </Page>
  );
}

// Starting or planning a consultation: who, when, and then the link to send. One page, no wizard.
import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import { api } from "../../api/client";
import type { Consultation, Invitation, Patient } from "../../api/types";
import { t } from "../../messages";
import { formatMomentInline } from "../../messages/dates";
import "../../messages/staff";
import { focusFirstError } from "../../state/forms";
import { account } from "../../state/account";
import { useAction, useResource } from "../../state/resource";
import { Button, Card, Field, Loaded, Notice, Page, ProblemNotice, Segmented, Select } from "../../ui";
import "./consultations.css";
import { FreshLink } from "./FreshLink";
import { PatientChooser } from "./PatientChooser";
import { patientName } from "./patient-name";
import { localDate, nextHalfHour } from "./patient-form";

type When = "now" | "planned";

interface Done {
  consultation: Consultation;
  invitation: Invitation | null;
}

function DonePage({ consultation, invitation }: Done): JSX.Element {
  const title = t("new.done_title", { name: patientName(consultation) });
  const running = consultation.status === "in_progress";
  return (
    <Page
      replaced
      title={title}
      width="narrow"
      back={{ href: "/consultations", label: t("new.to_list") }}
      intro={running ? t("new.done_now") : t("new.done_planned", { when: formatMomentInline(consultation.starts_at) })}
    >
      <div class="stack">
        <Card>
          {invitation ? (
            <FreshLink consultation={consultation} invitation={invitation} />
          ) : (
            <Notice kind="warning" live>
              {t("new.link_failed")}
            </Notice>
          )}
        </Card>
        <div class="row">
          {running && (
            <Button variant="primary" size="large" icon="camera" href={`/consultations/${consultation.id}/call`}>
              {t("new.to_call")}
            </Button>
          )}
          <Button size={running ? "large" : "normal"} href={`/consultations/${consultation.id}`}>
            {t("new.to_consultation")}
          </Button>
        </div>
      </div>
    </Page>
  );
}

export default function NewConsultationPage(): JSX.Element {
  const [patient, setPatient] = useState<Patient | null>(null);
  const scheduler = account()?.role === "scheduler";
  const [when, setWhen] = useState<When>(scheduler ? "planned" : "now");
  const clinicians = useResource((signal) => (scheduler ? api.clinicians(signal) : Promise.resolve([])), [scheduler]);
  const [chosen, setChosen] = useState("");
  const practitioner = chosen || (clinicians.data?.[0]?.id ?? "");
  const [startsAt, setStartsAt] = useState(() => nextHalfHour(new Date()));
  const [tried, setTried] = useState(false);
  const [done, setDone] = useState<Done | null>(null);
  const content = useRef<HTMLDivElement>(null);

  const startsAtError = (): string | undefined => {
    if (when === "now") return undefined;
    const at = new Date(startsAt);
    if (Number.isNaN(at.getTime())) return t("new.invalid.starts_at");
    return at.getTime() < Date.now() - 60_000 ? t("new.invalid.starts_at_past") : undefined;
  };

  const { run, busy, problem } = useAction(async () => {
    if (!patient) return;
    const consultation = await api.createConsultation(
      patient.id,
      when === "now" ? null : new Date(startsAt).toISOString(),
      scheduler ? practitioner : null,
    );
    // The consultation stands even if its link fails: then its page offers to make one.
    const invitation = await api.createInvitation(consultation.id, "patient", patient.name).catch(() => null);
    setDone({ consultation, invitation });
    window.scrollTo(0, 0);
  });

  const submit = (): void => {
    setTried(true);
    if (patient === null || startsAtError() !== undefined) {
      if (content.current) focusFirstError(content.current);
    } else void run();
  };

  if (done) return <DonePage {...done} />;
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return (
    <Page title={t("new.title")} width="narrow" back={{ href: "/consultations", label: t("new.back") }}>
      <div class="new-consultation" ref={content}>
        <Card title={t("new.who")}>
          <PatientChooser
            patient={patient}
            onChange={setPatient}
            error={tried && !patient ? t("new.invalid.patient") : undefined}
          />
        </Card>
        {scheduler && (
          <Card title={t("new.for")}>
            <Loaded of={clinicians} lines={1}>
              {(list) =>
                list.length === 0 ? (
                  <p class="soft">{t("new.for_none")}</p>
                ) : (
                  <Select
                    label={t("new.for")}
                    labelHidden
                    value={practitioner}
                    onChange={setChosen}
                    options={list.map((one) => ({ value: one.id, label: one.display_name }))}
                  />
                )
              }
            </Loaded>
          </Card>
        )}
        <Card title={t("new.when")}>
          <div class="stack">
            {!scheduler && <div>
              <Segmented
                label={t("new.when")}
                value={when}
                onChange={setWhen}
                options={[
                  { value: "now", label: t("new.now"), icon: "camera" },
                  { value: "planned", label: t("new.planned"), icon: "calendar" },
                ]}
              />
            </div>}
            {when === "now" ? (
              <p class="soft">{t("new.now_hint")}</p>
            ) : (
              <Field
                label={t("new.starts_at")}
                hint={t("new.starts_at_hint", { zone })}
                type="datetime-local"
                value={startsAt}
                onInput={setStartsAt}
                min={`${localDate(new Date())}T00:00`}
                error={tried ? startsAtError() : undefined}
                required
              />
            )}
          </div>
        </Card>
        {problem && <ProblemNotice problem={problem} />}
        <div class="row">
          <Button variant="primary" size="large" busy={busy} onClick={submit}>
            {when === "now" ? t("new.submit_now") : t("new.submit_planned")}
          </Button>
        </div>
      </div>
    </Page>
  );
}

// Narrowing to one patient, found by name or number. What is typed goes by POST and is not kept.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { api } from "../../api/client";
import type { PatientSeen } from "../../api/types";
import { t } from "../../messages";
import { formatCalendarDate } from "../../messages/dates";
import { useAction } from "../../state/resource";
import { Button, Dialog, Field, Icon, ProblemNotice } from "../../ui";
import type { Only } from "./search-form";

/** Finds a patient by name or number. */
export function ChoosePatient({ onChoose, onClose }: { onChoose: (patient: PatientSeen) => void; onClose: () => void }): JSX.Element {
  const [text, setText] = useState("");
  const [found, setFound] = useState<{ text: string; patients: PatientSeen[] } | null>(null);
  const find = useAction(async () => setFound({ text: text.trim(), patients: await api.patientsForAudit(text.trim()) }));
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    event.stopPropagation();
    if (text.trim() !== "") void find.run();
  };
  return (
    <Dialog title={t("audit.patient.find")} onClose={onClose}>
      <form class="audit-find" role="search" onSubmit={submit} noValidate aria-label={t("audit.patient.find")}>
        <Field label={t("audit.patient.text")} type="search" value={text} onInput={setText} maxLength={200} spellcheck={false} autofocus />
        <Button variant="primary" icon="search" type="submit" busy={find.busy}>
          {t("audit.search.submit")}
        </Button>
      </form>
      {find.problem && <ProblemNotice problem={find.problem} />}
      {found && (
        <p class="soft small" role="status">
          {found.patients.length === 0 ? t("audit.patient.none", { text: found.text }) : t("audit.patient.found", { count: found.patients.length })}
        </p>
      )}
      {found && found.patients.length > 0 && (
        <ul class="audit-choices">
          {found.patients.map((patient) => (
            <li key={patient.id}>
              <button type="button" class="audit-choice" onClick={() => onChoose(patient)}>
                <span>
                  <strong>{patient.name}</strong>
                  <br />
                  <span class="soft small">
                    {patient.identifier} · {t("audit.patient.born", { date: formatCalendarDate(patient.birth_date) })}
                  </span>
                </span>
                <Icon name="chevron-right" />
              </button>
            </li>
          ))}
        </ul>
      )}
    </Dialog>
  );
}

export function PatientFilter({ chosen, onChoose }: { chosen: Only | null; onChoose: (only: Only | null) => void }): JSX.Element {
  const [open, setOpen] = useState(false);
  const patient = chosen?.kind === "patient" ? chosen : null;
  return (
    <div class="field">
      <span class="field__label" id="audit-patient">
        {t("audit.search.patient")}
      </span>
      <div class="audit-patient" role="group" aria-labelledby="audit-patient">
        <button type="button" class="input audit-patient__open" onClick={() => setOpen(true)}>
          {patient ? (patient.name ?? patient.id.slice(-12)) : t("audit.search.any")}
        </button>
        {patient && <Button variant="quiet" icon="close" label={t("audit.patient.clear")} onClick={() => onChoose(null)} />}
      </div>
      {open && (
        <ChoosePatient
          onClose={() => setOpen(false)}
          onChoose={(one) => {
            setOpen(false);
            onChoose({ kind: "patient", id: one.id, name: one.name });
          }}
        />
      )}
    </div>
  );
}

// Finding a patient, or entering a new one, without leaving the page.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { api } from "../../api/client";
import { asProblem, type Problem } from "../../api/problem";
import type { Patient } from "../../api/types";
import { t, type Key } from "../../messages";
import { formatCalendarDate, languageName } from "../../messages/dates";
import { focusFirstError } from "../../state/forms";
import { useAction } from "../../state/resource";
import { Button, Field, Icon, ProblemNotice, Select, Skeleton } from "../../ui";
import { checkPatient, EMPTY_PATIENT, localDate, newPatient, type PatientErrors, type PatientForm } from "./patient-form";

const PAUSE_MS = 250; // a search while typing would be an audited read per letter
const LANGUAGES = ["en", "es", "ar", "de", "fr", "it", "pl", "pt", "ro", "ru", "tr", "uk", "zh"];

function Search(props: { onChoose: (patient: Patient) => void; onAdd: (text: string) => void; error: string | undefined }): JSX.Element {
  const [text, setText] = useState("");
  const [found, setFound] = useState<{ text: string; patients: Patient[] } | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    const controller = new AbortController();
    const timer = window.setTimeout(
      () => {
        setProblem(null);
        api.searchPatients(text.trim(), controller.signal).then(
          (patients) => setFound({ text: text.trim(), patients }),
          (error: unknown) => {
            if (!controller.signal.aborted) setProblem(asProblem(error));
          },
        );
      },
      text === "" ? 0 : PAUSE_MS,
    );
    return () => {
      window.clearTimeout(timer);
      controller.abort();
    };
  }, [text, attempt]);
  return (
    <div class="stack">
      <Field
        label={t("new.search")}
        type="search"
        value={text}
        onInput={setText}
        maxLength={200}
        spellcheck={false}
        error={props.error}
      />
      {problem && <ProblemNotice problem={problem} onRetry={() => setAttempt(attempt + 1)} />}
      {!found && !problem && <Skeleton lines={2} />}
      {found && (
        <div class="stack stack--tight">
          <p class="soft small" role="status">
            {found.patients.length === 0
              ? found.text === ""
                ? t("new.none_yet")
                : t("new.none", { text: found.text })
              : found.text === ""
                ? t("new.recent")
                : t("new.results", { count: found.patients.length })}
          </p>
          {found.patients.length > 0 && (
            <ul class="choices">
              {found.patients.map((patient) => (
                <li key={patient.id}>
                  <button type="button" class="choice" onClick={() => props.onChoose(patient)}>
                    <span class="choice__text">
                      <strong>{patient.name}</strong>
                      <span class="soft small">
                        {patient.identifier} · {t("patient.born", { date: formatCalendarDate(patient.birth_date) })}
                      </span>
                    </span>
                    <Icon name="chevron-right" />
                  </button>
                </li>
              ))}
            </ul>
          )}
        </div>
      )}
      <div>
        <Button icon="plus" onClick={() => props.onAdd(text.trim())}>
          {t("new.add")}
        </Button>
      </div>
    </div>
  );
}

/** The server's names of the fields. */
const WIRE: Record<keyof PatientForm, string> = {
  identifier: "identifier",
  name: "name",
  birthDate: "birth_date",
  language: "language",
  callBack: "call_back_number",
};

function Add(props: { start: PatientForm; onSaved: (patient: Patient) => void; onBack: () => void }): JSX.Element {
  const [form, setForm] = useState(props.start);
  const [tried, setTried] = useState(false);
  const element = useRef<HTMLFormElement>(null);
  const { run, busy, problem } = useAction(async () => props.onSaved(await api.createPatient(newPatient(form))));
  const today = localDate(new Date());
  const errors: PatientErrors = tried ? checkPatient(form, today) : {};
  const error = (field: keyof PatientForm): string | undefined => {
    const key: Key | undefined = errors[field];
    return key ? t(key) : problem?.field(WIRE[field]);
  };
  const set = (field: keyof PatientForm) => (value: string) => setForm((old) => ({ ...old, [field]: value }));
  useEffect(() => {
    element.current?.querySelector("input")?.focus();
  }, []);
  useEffect(() => {
    if (problem && element.current) focusFirstError(element.current);
  }, [problem]);
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    setTried(true);
    if (Object.keys(checkPatient(form, today)).length > 0) focusFirstError(event.currentTarget as HTMLFormElement);
    else void run();
  };
  return (
    <form class="stack" ref={element} onSubmit={submit} noValidate aria-label={t("new.add_title")}>
      <h3>{t("new.add_title")}</h3>
      {problem && <ProblemNotice problem={problem} />}
      <div class="form-grid">
        <Field label={t("patient.name")} value={form.name} onInput={set("name")} error={error("name")} required maxLength={200} />
        <Field
          label={t("patient.birth_date")}
          type="date"
          value={form.birthDate}
          onInput={set("birthDate")}
          error={error("birthDate")}
          max={today}
          required
        />
        <Field
          label={t("patient.identifier")}
          hint={t("patient.identifier_hint")}
          value={form.identifier}
          onInput={set("identifier")}
          error={error("identifier")}
          spellcheck={false}
          required
          maxLength={64}
        />
        <Field
          label={t("patient.call_back")}
          hint={t("patient.call_back_hint")}
          type="tel"
          value={form.callBack}
          onInput={set("callBack")}
          error={error("callBack")}
          optional
          maxLength={32}
        />
        <div class="form-grid--wide">
          <Select
            label={t("patient.language")}
            hint={t("patient.language_hint")}
            value={form.language}
            onChange={set("language")}
            options={LANGUAGES.map((tag) => ({ value: tag, label: languageName(tag) }))}
            error={error("language")}
          />
        </div>
      </div>
      <div class="row">
        <Button variant="primary" type="submit" busy={busy}>
          {t("new.add_save")}
        </Button>
        <Button variant="quiet" onClick={props.onBack}>
          {t("new.add_cancel")}
        </Button>
      </div>
    </form>
  );
}

export interface PatientChooserProps {
  patient: Patient | null;
  onChange: (patient: Patient | null) => void;
  error: string | undefined;
}

export function PatientChooser({ patient, onChange, error }: PatientChooserProps): JSX.Element {
  const [adding, setAdding] = useState<PatientForm | null>(null);
  if (patient) {
    return (
      <div class="chosen">
        <div>
          <span class="quietly">{t("new.chosen")}: </span>
          <strong>{patient.name}</strong>
          <span class="small">
            {patient.identifier} · {t("patient.born", { date: formatCalendarDate(patient.birth_date) })}
          </span>
        </div>
        <Button variant="quiet" onClick={() => onChange(null)}>
          {t("new.change")}
        </Button>
      </div>
    );
  }
  if (adding) {
    return (
      <Add
        start={adding}
        onBack={() => setAdding(null)}
        onSaved={(saved) => {
          setAdding(null);
          onChange(saved);
        }}
      />
    );
  }
  return (
    <Search
      error={error}
      onChoose={onChange}
      onAdd={(text) => {
        // What was typed is most likely the name, or the number when it has a digit.
        const typed = /\d/.test(text) ? { identifier: text } : { name: text };
        setAdding({ ...EMPTY_PATIENT, ...typed });
      }}
    />
  );
}

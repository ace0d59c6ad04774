// What a new patient's form holds and what is wrong with it. Pure: today's date is given. The server checks again.
import type { NewPatient } from "../../api/types";
import type { Key } from "../../messages";

export interface PatientForm {
  identifier: string;
  name: string;
  birthDate: string;
  language: string;
  callBack: string;
}

export const EMPTY_PATIENT: PatientForm = { identifier: "", name: "", birthDate: "", language: "en", callBack: "" };

export type PatientErrors = Partial<Record<keyof PatientForm, Key>>;

/** `today` as `YYYY-MM-DD`. */
export function checkPatient(form: PatientForm, today: string): PatientErrors {
  const errors: PatientErrors = {};
  if (form.identifier.trim() === "") errors.identifier = "patient.invalid.identifier";
  if (form.name.trim() === "") errors.name = "patient.invalid.name";
  if (!/^\d{4}-\d{2}-\d{2}$/.test(form.birthDate)) errors.birthDate = "patient.invalid.birth_date";
  else if (form.birthDate > today) errors.birthDate = "patient.invalid.birth_date_future";
  else if (form.birthDate < "1890-01-01") errors.birthDate = "patient.invalid.birth_date_range";
  if (form.callBack.trim() !== "" && !/^\+?[\d ().\/-]{3,31}$/.test(form.callBack.trim())) {
    errors.callBack = "patient.invalid.call_back";
  }
  return errors;
}

export function newPatient(form: PatientForm): NewPatient {
  const callBack = form.callBack.trim();
  return {
    identifier: form.identifier.trim(),
    name: form.name.trim().replace(/\s+/g, " "),
    birth_date: form.birthDate,
    language: form.language,
    call_back_number: callBack === "" ? null : callBack,
  };
}

/** A local date as `YYYY-MM-DD`. */
export function localDate(date: Date): string {
  const two = (n: number): string => String(n).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** The next full half hour after `now`, as a datetime-local input wants it. */
export function nextHalfHour(now: Date): string {
  const at = new Date(now);
  at.setMinutes(at.getMinutes() < 30 ? 30 : 60, 0, 0);
  return `${localDate(at)}T${String(at.getHours()).padStart(2, "0")}:${String(at.getMinutes()).padStart(2, "0")}`;
}

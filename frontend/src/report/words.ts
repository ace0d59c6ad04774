// The words of a patient's own report, in the languages it is there in. The sentences are those of the log's pages.
import en from "../messages/en/audit";
import es from "../messages/es/audit";

const WORDS = {
  en: {
    title: "Who used your record",
    for: "For {name}, born {birth}, number {number}",
    erased: "For patient {id}, whose details were destroyed",
    by: "Made by {clinic} on {date}, with everything in the audit log about you up to then.",
    checking: "Checking…",
    good: "This report agrees with itself: every entry listed here is in the log under the signed checkpoint below, as it was written.",
    bad: "This report does NOT hold. Do not rely on it, and ask the clinic for a new one.",
    unsigned: "Every entry fits the checkpoint below, but this browser cannot check the checkpoint's signature. Use a newer browser.",
    shows: "What this shows, and what it does not",
    shows_text: "It shows that each entry listed is in a log whose state was signed with the key below. It does not show that the key is the clinic's: compare its fingerprint, which was computed from the key, with the one that the clinic publishes or tells you by telephone. It does not show that there are no other entries about you. Names of staff, your details at the top, and what is marked as the clinic's word are not part of the proof. The program that checks stands in this file too: whoever does not trust the file can check the clinic's log with bedside-verify.",
    fingerprint: "Fingerprint of the key",
    checkpoint: "Signed checkpoint",
    entries: "{count} entries",
    when: "When (UTC)",
    what: "What",
    how: "How it ended",
    proof: "Proof",
    no: "No. {index}",
    proved: "proved",
    word: "The clinic's word: the entry also names others. That it is in the log is proved.",
    unproved: "NOT PROVED",
    success: "done",
    denied: "refused",
    failure: "failed",
    staff: "a member of staff ({role})",
    you: "Someone in the call ({role})",
    system: "The server",
    anonymous: "Somebody not signed in",
    offline: "This file needs no connection and makes none.",
  },
  es: {
    title: "Quién usó su historial",
    for: "Para {name}, nacido el {birth}, número {number}",
    erased: "Para el paciente {id}, cuyos datos se destruyeron",
    by: "Elaborado por {clinic} el {date}, con todo lo que el registro de auditoría dice de usted hasta entonces.",
    checking: "Comprobando…",
    good: "Este informe concuerda consigo mismo: cada entrada está en el registro bajo el punto de control firmado de abajo, tal como se escribió.",
    bad: "Este informe NO es válido. No se fíe de él y pida uno nuevo a la clínica.",
    unsigned: "Cada entrada concuerda con el punto de control de abajo, pero este navegador no puede comprobar su firma. Use un navegador más reciente.",
    shows: "Qué demuestra y qué no",
    shows_text: "Demuestra que cada entrada listada está en un registro cuyo estado se firmó con la clave de abajo. No demuestra que la clave sea de la clínica: compare su huella, calculada a partir de la clave, con la que la clínica publica o le dice por teléfono. No demuestra que no haya otras entradas sobre usted. Los nombres del personal, sus datos de arriba y lo marcado como palabra de la clínica no forman parte de la prueba. El programa que comprueba está también en este archivo: quien no se fíe de él puede comprobar el registro de la clínica con bedside-verify.",
    fingerprint: "Huella de la clave",
    checkpoint: "Punto de control firmado",
    entries: "{count} entradas",
    when: "Cuándo (UTC)",
    what: "Qué",
    how: "Cómo terminó",
    proof: "Prueba",
    no: "N.º {index}",
    proved: "probada",
    word: "Palabra de la clínica: la entrada nombra también a otros. Que está en el registro está probado.",
    unproved: "NO PROBADA",
    success: "hecho",
    denied: "rechazado",
    failure: "falló",
    staff: "una persona del equipo ({role})",
    you: "Alguien en la llamada ({role})",
    system: "El servidor",
    anonymous: "Alguien sin iniciar sesión",
    offline: "Este archivo no necesita conexión ni la usa.",
  },
} as const;

export type ReportLanguage = keyof typeof WORDS;
export type Word = keyof (typeof WORDS)["en"];

/** A word with what stands in its braces. */
export function word(language: ReportLanguage, key: Word, values: Record<string, string> = {}): string {
  return fill(WORDS[language][key], values);
}

function fill(text: string, values: Record<string, string>): string {
  return text.replace(/\{(\w+)\}/g, (braces, name: string) => values[name] ?? braces);
}

/** An event in a sentence; an event that the catalogue does not know keeps its stable name. */
export function eventSentence(language: ReportLanguage, event: string, who: string): string {
  const catalogue: Record<string, unknown> = language === "es" ? es : en;
  const text = catalogue[`audit.event.${event}`];
  return typeof text === "string" ? fill(text, { who }) : `${who}: ${event}`;
}

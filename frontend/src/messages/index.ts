// The message catalogue: every word a person reads comes from here, in the language they chose.
// Invariants: a key exists in every language with the same placeholders (messages.test.ts); a feature's words are loaded with
// the feature, so a patient's page does not carry the staff's; `t` reads a signal, so a page redraws when the language changes.
import { signal } from "@preact/signals";
import type audit from "./en/audit";
import type call from "./en/call";
import common from "./en/common";
import type identity from "./en/identity";
import type join from "./en/join";
import type staff from "./en/staff";
import commonEs from "./es/common";

export const LANGUAGES = ["en", "es"] as const;
export type Language = (typeof LANGUAGES)[number];

/** Text with `{placeholder}`s, or one text per plural form, chosen by `count`. */
export type Message = string | { one: string; other: string };
export type Messages = Readonly<Record<string, Message>>;
export type Params = Readonly<Record<string, string | number>>;

export type Catalogue = typeof common & typeof identity & typeof staff & typeof audit & typeof join & typeof call;
export type Key = keyof Catalogue;

const loaded: Record<Language, Record<string, Message>> = { en: { ...common }, es: { ...commonEs } };

/** Adds a feature's words; called once by `messages/<namespace>.ts`. */
export function addMessages(words: Record<Language, Messages>): void {
  for (const language of LANGUAGES) Object.assign(loaded[language], words[language]);
}

/** `?lang=es` in the address wins, then the person's earlier choice, then the browser's own languages. */
export function chooseLanguage(search: string, stored: string | null, preferred: readonly string[]): Language {
  const candidates = [new URLSearchParams(search).get("lang"), stored, ...preferred];
  for (const candidate of candidates) {
    const base = candidate?.toLowerCase().split("-")[0];
    const known = LANGUAGES.find((language) => language === base);
    if (known) return known;
  }
  return "en";
}

const STORE = "bedside.language";

function readStored(): string | null {
  try {
    return localStorage.getItem(STORE);
  } catch {
    return null; // storage is switched off: the choice then lasts as long as the page
  }
}

const inBrowser = typeof window !== "undefined";

export const language = signal<Language>(
  inBrowser ? chooseLanguage(location.search, readStored(), navigator.languages) : "en",
);

/** Changes the language now and for the next visit. */
export function setLanguage(next: Language): void {
  language.value = next;
  try {
    localStorage.setItem(STORE, next);
  } catch {
    // as above
  }
}

/** The language with the person's own region where it is theirs (`en-GB`), so that dates read as they are used to. */
export function locale(): string {
  const current = language.value;
  const own = inBrowser ? navigator.languages : [];
  return own.find((tag) => tag.toLowerCase().split("-")[0] === current) ?? current;
}

/** Fills the placeholders of one message in one language. */
export function format(message: Message, params: Params | undefined, inLanguage: Language): string {
  const text =
    typeof message === "string"
      ? message
      : new Intl.PluralRules(inLanguage).select(Number(params?.["count"] ?? 0)) === "one"
        ? message.one
        : message.other;
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = params?.[name];
    if (value === undefined) return whole;
    return typeof value === "number" ? new Intl.NumberFormat(inLanguage).format(value) : value;
  });
}

/** The text for `key` in a language that is not the reader's, for words that are sent to somebody else. */
export function tIn(inLanguage: Language, key: Key, params?: Params): string {
  const message = loaded[inLanguage][key] ?? loaded.en[key];
  return message === undefined ? key : format(message, params, inLanguage);
}

/** The text for `key` in the chosen language. */
export function t(key: Key, params?: Params): string {
  return tOr(key, key, params);
}

/** Like `t` for a key that is made at run time (an event's name, say): `fallback` when the catalogue lacks it. */
export function tOr(key: string, fallback: string, params?: Params): string {
  const current = language.value;
  const message = loaded[current][key] ?? loaded.en[key];
  return message === undefined ? fallback : format(message, params, current);
}

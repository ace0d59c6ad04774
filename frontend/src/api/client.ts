// One function per endpoint of /api/v1.
// Invariants: cookies travel only to our own origin; ids alone appear in addresses, names and searches go in bodies; every
// failure is a Problem. A refused credential is also told to `onSignedOut`, which the staff's pages use to ask for a new sign-in.
import { problemOf, Problem } from "./problem";
import type * as T from "./types";

const BASE = "/api/v1";

type Method = "GET" | "POST" | "PUT";

let onSignedOut: ((problem: Problem) => void) | null = null;

/** Sets what happens when an answer says that nobody is signed in. */
export function setSignedOutHandler(handler: ((problem: Problem) => void) | null): void {
  onSignedOut = handler;
}

let speaksAsParticipant = false;

/**
 * Whether this page belongs to somebody who was invited. It matters in a browser that holds a clinician's sign-in as well: the
 * header tells the server which of the two is meant.
 */
export function speakAsParticipant(yes: boolean): void {
  speaksAsParticipant = yes;
}

/** No answer within this means that none will come; exports and verification of a long log are the slowest. */
const TIMEOUT_MS = 60_000;

async function send(method: Method, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  const timeout = new AbortController();
  const giveUp = (): void => timeout.abort();
  const timer = setTimeout(giveUp, TIMEOUT_MS);
  signal?.addEventListener("abort", giveUp, { once: true });
  const init: RequestInit = { method, credentials: "same-origin", headers: { Accept: "application/json" } };
  if (method !== "GET") {
    init.headers = { ...init.headers, "Content-Type": "application/json" };
    init.body = JSON.stringify(body ?? {});
  }
  if (speaksAsParticipant) init.headers = { ...init.headers, "Bedside-As": "participant" };
  init.signal = timeout.signal;
  let response: Response;
  try {
    response = await fetch(BASE + path, init);
  } catch {
    throw new Problem("NETWORK", 0); // whoever aborted has stopped listening
  } finally {
    clearTimeout(timer);
  }
  if (response.ok) return response;
  const problem = problemOf(
    response.status,
    await response.json().catch(() => null),
    response.headers.get("Retry-After"),
  );
  if (problem.code === "UNAUTHENTICATED" || problem.code === "SIGN_IN_EXPIRED") onSignedOut?.(problem);
  throw problem;
}

async function json<R>(method: Method, path: string, body?: unknown, signal?: AbortSignal): Promise<R> {
  const response = await send(method, path, body, signal);
  try {
    return (await response.json()) as R;
  } catch {
    throw new Problem("NETWORK", response.status); // cut off on the way
  }
}

async function nothing(method: Method, path: string, body?: unknown): Promise<void> {
  await send(method, path, body);
}

const get = <R>(path: string, signal?: AbortSignal): Promise<R> => json<R>("GET", path, undefined, signal);
const post = <R>(path: string, body?: unknown, signal?: AbortSignal): Promise<R> => json<R>("POST", path, body, signal);
const id = encodeURIComponent;

export const api = {
  config: () => get<T.Config>("/config"),

  // sign-in
  signIn: (username: string, password: string) => post<T.Account>("/sign-in", { username, password }),
  signOut: () => nothing("POST", "/sign-out"),
  account: () => get<T.Account>("/me"),

  // patients
  searchPatients: (text: string, signal?: AbortSignal) =>
    post<{ patients: T.Patient[] }>("/patients/search", { text }, signal).then((answer) => answer.patients),
  createPatient: (patient: T.NewPatient) => post<T.Patient>("/patients", patient),

  // consultations
  consultations: (signal?: AbortSignal) =>
    get<{ consultations: T.Consultation[] }>("/consultations", signal).then((answer) => answer.consultations),
  /** How many wait in which of one's own consultations, as one comparable text. Tells nothing of patients, so it may be asked often. */
  waiting: (signal?: AbortSignal) =>
    get<{ waiting: { consultation_id: string; waiting: number }[] }>("/consultations/waiting", signal).then((answer) =>
      JSON.stringify(answer.waiting.map((one) => [one.consultation_id, one.waiting]).sort()),
    ),
  createConsultation: (patientId: string, startsAt: string | null) =>
    post<T.Consultation>("/consultations", { patient_id: patientId, starts_at: startsAt }),
  consultation: (consultation: string, signal?: AbortSignal) =>
    get<T.Consultation>(`/consultations/${id(consultation)}`, signal),
  startConsultation: (consultation: string) => post<T.Consultation>(`/consultations/${id(consultation)}/start`),
  endConsultation: (consultation: string) => post<T.Consultation>(`/consultations/${id(consultation)}/end`),
  cancelConsultation: (consultation: string) => post<T.Consultation>(`/consultations/${id(consultation)}/cancel`),

  // invitations
  invitations: (consultation: string, signal?: AbortSignal) =>
    get<{ invitations: T.Invitation[] }>(`/consultations/${id(consultation)}/invitations`, signal).then(
      (answer) => answer.invitations,
    ),
  createInvitation: (consultation: string, role: T.InvitedRole, nameHint: string | null) =>
    post<T.Invitation>(`/consultations/${id(consultation)}/invitations`, { role, name_hint: nameHint }),
  reissueInvitation: (invitation: string) => post<T.Invitation>(`/invitations/${id(invitation)}/reissue`),
  cancelInvitation: (invitation: string) => post<T.Invitation>(`/invitations/${id(invitation)}/cancel`),
  /** `language` is that of the data notice. */
  previewInvitation: (invitation: string, secret: string, language: string) =>
    post<T.InvitationPreview>(`/invitations/${id(invitation)}/preview`, { secret, language }),
  redeemInvitation: (invitation: string, secret: string) =>
    post<T.Redeemed>(`/invitations/${id(invitation)}/redeem`, { secret }),

  // participants
  participants: (consultation: string, signal?: AbortSignal) =>
    get<{ participants: T.Participant[] }>(`/consultations/${id(consultation)}/participants`, signal).then(
      (answer) => answer.participants,
    ),
  me: (consultation: string) => get<T.Me>(`/consultations/${id(consultation)}/participants/me`),
  updateMe: (consultation: string, name: string, language: string) =>
    json<T.Me>("PUT", `/consultations/${id(consultation)}/participants/me`, { name, language }),
  joinTicket: (consultation: string) => post<T.JoinTicket>(`/consultations/${id(consultation)}/join-tickets`),
  admit: (consultation: string, participant: string) =>
    nothing("POST", `/consultations/${id(consultation)}/participants/${id(participant)}/admit`),
  turnAway: (consultation: string, participant: string) =>
    nothing("POST", `/consultations/${id(consultation)}/participants/${id(participant)}/turn-away`),
  remove: (consultation: string, participant: string) =>
    nothing("POST", `/consultations/${id(consultation)}/participants/${id(participant)}/remove`),
  leave: (consultation: string) => nothing("POST", `/consultations/${id(consultation)}/leave`),

  // consent and recordings
  consentText: (text: string, version: string, language: string) =>
    get<T.ConsentText>(`/consent-texts/${id(text)}?version=${id(version)}&language=${id(language)}`),
  requestRecording: (consultation: string) =>
    post<{ id: string; state: "requested" }>(`/consultations/${id(consultation)}/recordings`),
  decide: (recording: string, decision: T.ConsentDecision) =>
    nothing("POST", `/recordings/${id(recording)}/decision`, decision),
  withdraw: (recording: string) => nothing("POST", `/recordings/${id(recording)}/withdraw`),
  stopRecording: (recording: string) => nothing("POST", `/recordings/${id(recording)}/stop`),
  recordings: (signal?: AbortSignal) =>
    get<{ recordings: T.Recording[] }>("/recordings", signal).then((answer) => answer.recordings),
  recording: (recording: string, signal?: AbortSignal) => get<T.Recording>(`/recordings/${id(recording)}`, signal),
  createPlayback: (recording: string) => post<T.Playback>(`/recordings/${id(recording)}/playbacks`),

  // audit
  searchAudit: (search: T.AuditSearch, signal?: AbortSignal) => post<T.AuditPage>("/audit/search", search, signal),
  verifyAudit: () => post<T.AuditVerification>("/audit/verify"),
  exportAudit: () => send("POST", "/audit/export").then((response) => response.blob()),

  // policies, retention, users
  policies: (signal?: AbortSignal) => get<T.Policies>("/policies", signal),
  retention: (signal?: AbortSignal) => get<T.Retention>("/retention", signal),
  users: (signal?: AbortSignal) => get<{ users: T.User[] }>("/users", signal).then((answer) => answer.users),
};

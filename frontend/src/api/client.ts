// One function per endpoint of /api/v1.
// Invariants: cookies travel only to our own origin; ids alone appear in addresses, names and searches go in bodies; every
// failure is a Problem. A refused credential is also told to `onSignedOut`, which the staff's pages use to ask for a new sign-in.
import { problemOf, Problem } from "./problem";
import type { PasskeyOptions } from "./passkeys";
import type { Contradiction, Growth } from "../log/witness";
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
  /** Signed in, or asked for a second factor. */
  signIn: async (username: string, password: string): Promise<{ account: T.Account } | { asked: T.SecondFactorAsked }> => {
    const response = await send("POST", "/sign-in", { username, password });
    const body: unknown = await response.json().catch(() => null);
    if (body === null) throw new Problem("NETWORK", response.status);
    return response.status === 202 ? { asked: body as T.SecondFactorAsked } : { account: body as T.Account };
  },
  secondFactor: (proof: { code: string } | { recovery_code: string } | { passkey: unknown }) =>
    post<T.Account>("/sign-in/second-factor", proof),
  askSecondPasskey: () => post<PasskeyOptions>("/sign-in/second-factor/passkey"),
  askPasskey: () => post<PasskeyOptions>("/sign-in/passkey"),
  signInWithPasskey: (passkey: unknown) => post<T.Account>("/sign-in/passkey/answer", { passkey }),
  visitProvider: (provider: string, back: string) =>
    post<{ address: string }>(`/sign-in/providers/${id(provider)}`, { back }),
  /** Gives where to go to be signed out at the identity provider as well. */
  signOut: () => post<{ address: string | null }>("/sign-out"),
  account: () => get<T.Account>("/me"),

  // proving again who one is
  proveByPassword: (password: string) => nothing("POST", "/me/prove", { password }),
  askProof: () => post<PasskeyOptions>("/me/prove/passkey"),
  proveByPasskey: (passkey: unknown) => nothing("POST", "/me/prove", { passkey }),
  proveAtProvider: (back: string) => post<{ address: string }>("/me/prove/provider", { back }),

  // one's own account
  factors: (signal?: AbortSignal) => get<T.Factors>("/me/factors", signal),
  changePassword: (current: string, password: string) => nothing("PUT", "/me/password", { current, password }),
  beginPasskey: () => post<PasskeyOptions>("/me/passkeys/begin"),
  addPasskey: (name: string, passkey: unknown) => post<{ recovery_codes: string[] }>("/me/passkeys", { name, passkey }),
  removePasskey: (passkey: string) => nothing("POST", `/me/passkeys/${id(passkey)}/remove`),
  beginApp: () => post<T.NewApp>("/me/authenticator-app/begin"),
  addApp: (code: string) => post<{ recovery_codes: string[] }>("/me/authenticator-app", { code }),
  removeApp: () => nothing("POST", "/me/authenticator-app/remove"),
  newRecoveryCodes: () => post<{ recovery_codes: string[] }>("/me/recovery-codes"),
  signInSessions: (signal?: AbortSignal) =>
    get<{ sessions: T.SignInSession[] }>("/me/sign-in-sessions", signal).then((answer) => answer.sessions),
  endSignInSession: (session: string) => nothing("POST", `/me/sign-in-sessions/${id(session)}/end`),
  endOtherSessions: () => nothing("POST", "/me/sign-in-sessions/end-others"),
  previewAccountLink: (link: string, secret: string) =>
    post<{ username: string; display_name: string; least_length: number }>(`/account-links/${id(link)}/preview`, { secret }),
  useAccountLink: (link: string, secret: string, password: string) =>
    nothing("POST", `/account-links/${id(link)}/use`, { secret, password }),

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
  /** `practitioner` is for whom a scheduler plans it. */
  createConsultation: (patientId: string, startsAt: string | null, practitioner: string | null = null) =>
    post<T.Consultation>("/consultations", { patient_id: patientId, starts_at: startsAt, practitioner_id: practitioner }),
  clinicians: (signal?: AbortSignal) =>
    get<{ clinicians: { id: string; display_name: string }[] }>("/clinicians", signal).then((answer) => answer.clinicians),
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
  createInvitation: (consultation: string, role: T.InvitedRole, nameHint: string | null, withCode = false) =>
    post<T.Invitation>(`/consultations/${id(consultation)}/invitations`, { role, name_hint: nameHint, with_code: withCode }),
  reissueInvitation: (invitation: string) => post<T.Invitation>(`/invitations/${id(invitation)}/reissue`),
  cancelInvitation: (invitation: string) => post<T.Invitation>(`/invitations/${id(invitation)}/cancel`),
  /** `language` is that of the data notice. */
  previewInvitation: (invitation: string, secret: string, language: string) =>
    post<T.InvitationPreview>(`/invitations/${id(invitation)}/preview`, { secret, language }),
  redeemInvitation: (invitation: string, secret: string, code: string | null) =>
    post<T.Redeemed>(`/invitations/${id(invitation)}/redeem`, code === null ? { secret } : { secret, code }),
  /** Moves the place of a used link to this device, with a code from the one that holds it. */
  moveInvitation: (invitation: string, secret: string, code: string) =>
    post<T.Redeemed>(`/invitations/${id(invitation)}/move`, { secret, code }),
  deviceCode: (consultation: string) =>
    post<{ code: string; expires_at: string }>(`/consultations/${id(consultation)}/participants/me/device-code`),

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
  /** `version` is the newest one where it is null. */
  consentText: (text: string, version: string | null, language: string) =>
    get<T.ConsentText>(`/consent-texts/${id(text)}?language=${id(language)}${version === null ? "" : `&version=${id(version)}`}`),
  wantedConsents: (consultation: string, language: string) =>
    get<{ wanted: T.WantedConsent[] }>(`/consultations/${id(consultation)}/consents/wanted?language=${id(language)}`).then(
      (answer) => answer.wanted,
    ),
  decideConsent: (consultation: string, decision: T.SignedDecision) =>
    post<T.Recorded>(`/consultations/${id(consultation)}/consents`, decision),
  withdrawConsent: (consultation: string, about: { recording: string } | { text: string }) =>
    post<T.Recorded>(`/consultations/${id(consultation)}/consents/withdraw`, about),
  consents: (consultation: string, signal?: AbortSignal) =>
    get<{ consents: T.Consent[] }>(`/consultations/${id(consultation)}/consents`, signal).then((answer) => answer.consents),
  ownConsents: (consultation: string, signal?: AbortSignal) =>
    get<{ consents: T.Consent[] }>(`/consultations/${id(consultation)}/consents/own`, signal).then((answer) => answer.consents),
  receiptLink: (consultation: string) =>
    post<{ link: string; expires_at: string }>(`/consultations/${id(consultation)}/receipt-link`),
  openReceipts: (link: string, secret: string) => post<T.Receipts>(`/receipt-links/${id(link)}/open`, { secret }),
  takeReceipt: (link: string, secret: string, consent: string, form: "json" | "pdf") =>
    send("POST", `/receipt-links/${id(link)}/receipt`, { secret, consent, form }).then((response) => response.blob()),
  readReceipt: (link: string, secret: string, consent: string) =>
    post<T.ReceiptPage>(`/receipt-links/${id(link)}/receipt`, { secret, consent, form: "page" }),
  withdrawByLink: (link: string, secret: string, about: { recording: string } | { text: string }, decision: T.SignedDecision | null) =>
    post<T.Recorded>(`/receipt-links/${id(link)}/withdraw`, { secret, about, decision }),
  searchConsents: (search: T.ConsentSearch, signal?: AbortSignal) =>
    post<{ consents: T.Consent[] }>("/consents/search", search, signal).then((answer) => answer.consents),
  exportConsents: (search: T.ConsentSearch, form: "csv" | "fhir") =>
    send("POST", "/consents/export", { form, search }).then((response) => response.blob()),
  consentCoverage: (signal?: AbortSignal) =>
    get<{ consultations: T.ConsentCoverage[] }>("/consents/coverage", signal).then((answer) => answer.consultations),
  textsInForce: (signal?: AbortSignal) => get<{ texts: T.TextInForce[] }>("/consents/texts", signal).then((answer) => answer.texts),
  askAgain: (recording: string, participant: string) =>
    nothing("POST", `/recordings/${id(recording)}/ask-again`, { participant }),
  requestRecording: (consultation: string, text: string) =>
    post<{ id: string; state: "requested" }>(`/consultations/${id(consultation)}/recordings`, { text }),
  reviewRecording: (recording: string, outcome: "keep" | "destroy") =>
    nothing("POST", `/recordings/${id(recording)}/review`, { outcome }),
  stopRecording: (recording: string) => nothing("POST", `/recordings/${id(recording)}/stop`),
  recordings: (signal?: AbortSignal) =>
    get<{ recordings: T.Recording[] }>("/recordings", signal).then((answer) => answer.recordings),
  recording: (recording: string, signal?: AbortSignal) => get<T.Recording>(`/recordings/${id(recording)}`, signal),
  createPlayback: (recording: string) => post<T.Playback>(`/recordings/${id(recording)}/playbacks`),

  // custody of recordings
  custody: (recording: string, signal?: AbortSignal) => get<T.Custody>(`/recordings/${id(recording)}/custody`, signal),
  placeHold: (recording: string, reason: string) => nothing("POST", `/recordings/${id(recording)}/holds`, { reason }),
  releaseHold: (recording: string, hold: string) => nothing("POST", `/recordings/${id(recording)}/holds/${id(hold)}/release`),
  grantPlayback: (recording: string, username: string, hours: number, reason: string) =>
    nothing("POST", `/recordings/${id(recording)}/playback-grants`, { username, hours, reason }),
  endGrant: (recording: string, grant: string) =>
    nothing("POST", `/recordings/${id(recording)}/playback-grants/${id(grant)}/end`),

  // emergency access
  ownEmergency: (consultation: string, signal?: AbortSignal) =>
    get<{ id: string | null; expires_at: string | null }>(`/consultations/${id(consultation)}/emergency-access`, signal),
  takeEmergencyAccess: (consultation: string, reason: T.EmergencyReason, words: string) =>
    nothing("POST", `/consultations/${id(consultation)}/emergency-access`, { reason, words, confirmed: true }),
  endEmergencyAccess: (consultation: string) => nothing("POST", `/consultations/${id(consultation)}/emergency-access/end`),
  emergencies: (signal?: AbortSignal) =>
    get<{ emergencies: T.Emergency[] }>("/emergency-accesses", signal).then((answer) => answer.emergencies),
  unseenEmergencies: (signal?: AbortSignal) => get<{ unseen: number }>("/emergency-accesses/unseen", signal).then((answer) => answer.unseen),
  emergencySeen: (emergency: string) => nothing("POST", `/emergency-accesses/${id(emergency)}/seen`),

  // audit
  logReviews: (signal?: AbortSignal) => get<{ reviews: T.LogReview[] }>("/audit/reviews", signal).then((answer) => answer.reviews),
  reviewLog: (logSize: number, finding: T.LogReview["finding"], note: string) =>
    post<T.LogReview>("/audit/reviews", { log_size: logSize, finding, note }),
  searchAudit: (search: T.AuditSearch, signal?: AbortSignal) => post<T.AuditPage>("/audit/search", search, signal),
  auditEntry: (index: number) => get<T.ProvedEntry>(`/audit/entries/${index}`),
  auditGrowth: (from: number | null) => get<Growth>(from === null ? "/audit/growth" : `/audit/growth?from=${from}`),
  reportContradiction: (kind: Contradiction, seen: string) => post<undefined>("/audit/contradictions", { kind, seen }),
  verifyAudit: () => post<T.AuditVerification>("/audit/verify"),
  auditActivity: (from: string, to: string, signal?: AbortSignal) => post<T.AuditActivity>("/audit/activity", { from, to }, signal),
  patientsForAudit: (text: string) =>
    post<{ patients: T.PatientSeen[] }>("/audit/patients", { text }).then((answer) => answer.patients),
  auditPlaces: (signal?: AbortSignal) => get<{ places: T.AuditPlace[]; size: number }>("/audit/places", signal),
  recordDisclosure: (disclosure: T.NewDisclosure) => nothing("POST", "/audit/disclosures", disclosure),
  accounting: (patient: string) => post<T.Accounting>("/audit/reports/disclosures", { patient }),
  accountingFile: (patient: string) => send("POST", "/audit/reports/disclosures", { patient, form: "csv" }).then((response) => response.blob()),
  patientReport: (patient: string, language: string) =>
    send("POST", "/audit/reports/access", { patient, language }).then((response) => response.blob()),
  retentionReport: (stretch: { from: string; to: string }) => post<T.RetentionReport>("/audit/reports/retention", stretch),
  consentReport: (stretch: { from: string; to: string }) => post<T.ConsentReport>("/audit/reports/consents", stretch),
  reportFile: (report: "retention" | "consents", stretch: { from: string; to: string }) =>
    send("POST", `/audit/reports/${report}`, { ...stretch, form: "csv" }).then((response) => response.blob()),
  savedSearches: (signal?: AbortSignal) =>
    get<{ searches: T.SavedSearch[] }>("/audit/searches", signal).then((answer) => answer.searches),
  saveSearch: (search: Omit<T.SavedSearch, "id">) => post<T.SavedSearch>("/audit/searches", search),
  forgetSearch: (search: string) => nothing("POST", `/audit/searches/${id(search)}/forget`),
  exportAudit: (form: T.AuditExportForm, search: Partial<T.AuditSearch>, disclose: boolean) =>
    send("POST", "/audit/export", { form, search, disclose }).then((response) => response.blob()),

  // policies, retention, users
  policies: (signal?: AbortSignal) => get<T.Policies>("/policies", signal),
  retention: (signal?: AbortSignal) => get<T.Retention>("/retention", signal),
  users: (signal?: AbortSignal) => get<{ users: T.User[] }>("/users", signal).then((answer) => answer.users),
  createUser: (username: string, displayName: string, role: T.Role) =>
    post<T.PasswordLink>("/users", { username, display_name: displayName, role }),
  changeUser: (user: string, displayName: string, role: T.Role) =>
    nothing("PUT", `/users/${id(user)}`, { display_name: displayName, role }),
  suspendUser: (user: string) => nothing("POST", `/users/${id(user)}/suspend`),
  restoreUser: (user: string) => nothing("POST", `/users/${id(user)}/restore`),
  resetPassword: (user: string) => post<T.PasswordLink>(`/users/${id(user)}/reset-password`),
  resetFactors: (user: string) => nothing("POST", `/users/${id(user)}/reset-factors`),
  accessReview: (signal?: AbortSignal) => get<T.AccessReview>("/users/access-review", signal),
};

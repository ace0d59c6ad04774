// The shapes of the HTTP API, as the server sends them. Times are RFC 3339 UTC strings.

export const ROLES = ["clinician", "scheduler", "auditor", "records_officer", "administrator"] as const;
export type Role = (typeof ROLES)[number];
export type InvitedRole = "patient" | "related_person" | "interpreter" | "observer";
export type ParticipantRole = "practitioner" | InvitedRole;

export interface IceServer {
  urls: string[];
  username?: string;
  credential?: string;
}

export interface Config {
  clinic_name: string;
  version: string;
  demo: boolean;
  languages: string[];
  providers: { id: string; name: string }[];
  passkeys: boolean;
  ice_servers: IceServer[];
}

export interface Account {
  id: string;
  username: string;
  display_name: string;
  role: Role;
  expires_at: string;
  assurance: "single" | "multiple";
  /** What must be set up before anything else can be done. */
  missing: "second_factor" | "longer_password" | null;
  method: "password" | "passkey" | "provider";
}

/** Which second factors are asked for. */
export interface SecondFactorAsked {
  passkey: boolean;
  authenticator_app: boolean;
  recovery_code: boolean;
}

export interface Passkey {
  id: string;
  name: string;
  created_at: string;
  last_used_at: string | null;
}

export interface Factors {
  password_changed_at: string | null;
  passkeys: Passkey[];
  authenticator_app_added_at: string | null;
  recovery_codes_left: number;
  required: boolean;
}

export interface NewApp {
  secret: string;
  address: string;
  /** Rows of "1" (dark) and "0". */
  squares: string[];
}

export interface SignInSession {
  id: string;
  client: string;
  network: string;
  method: "password" | "passkey" | "provider";
  assurance: "single" | "multiple";
  created_at: string;
  last_used_at: string;
  expires_at: string;
  current: boolean;
}

/** A single-use link with which somebody sets the password of their account; told once. */
export interface PasswordLink {
  id: string;
  username: string;
  link: string;
  expires_at: string;
}

export interface AccessReview {
  policy_digest: string;
  made_at: string;
  users: (User & { may: { operation: string; reach: string }[] })[];
}

export type EmergencyReason = "patient_in_danger" | "clinician_unavailable" | "public_health";

export interface Emergency {
  id: string;
  account_id: string;
  account_name: string;
  consultation_id: string;
  reason: EmergencyReason;
  words: string | null;
  taken_at: string;
  expires_at: string;
  ended_at: string | null;
  seen_by: string | null;
  seen_at: string | null;
}

export interface LogReview {
  id: string;
  reviewed_by: string;
  log_size: number;
  finding: "nothing_unusual" | "follow_up";
  note: string;
  reviewed_at: string;
}

export interface Custody {
  holds: { id: string; reason: string; placed_by: string; placed_at: string; released_at: string | null }[];
  grants: { id: string; account_name: string; reason: string; granted_at: string; expires_at: string; ended_at: string | null }[];
}

export type Capability = "publish_audio" | "publish_video" | "share_screen" | "chat" | "send_files" | "admit" | "record";

export interface Patient {
  id: string;
  identifier: string;
  name: string;
  birth_date: string;
  language: string;
  call_back_number: string | null;
}

export type NewPatient = Omit<Patient, "id">;

export type ConsultationStatus = "planned" | "in_progress" | "completed" | "cancelled";

export interface Consultation {
  id: string;
  status: ConsultationStatus;
  /** Null when the server holds no patient for it (any more). */
  patient: Patient | null;
  practitioner: { id: string; display_name: string };
  starts_at: string;
  started_at: string | null;
  ended_at: string | null;
  created_at: string;
  /** How many people are in the lobby now. */
  waiting: number;
}

export type InvitationStatus = "open" | "redeemed" | "expired" | "cancelled" | "locked";

export interface Invitation {
  id: string;
  consultation_id: string;
  role: InvitedRole;
  name_hint: string | null;
  status: InvitationStatus;
  created_at: string;
  expires_at: string;
  redeemed_at: string | null;
  /** Only in the answers to creating and reissuing. */
  link?: string;
  /** The code to tell by another way; only there as well. */
  code?: string;
  with_code: boolean;
  capabilities: Capability[];
}

export type Place = "invited" | "lobby" | "in_call" | "left" | "turned_away" | "removed";

export interface Participant {
  id: string;
  name: string | null;
  role: ParticipantRole;
  place: Place;
  joined_at: string | null;
}

export interface InvitationPreview {
  clinic_name: string;
  practitioner_name: string;
  role: InvitedRole;
  name_hint: string | null;
  starts_at: string;
  consultation_id: string;
  consultation_status: ConsultationStatus;
  bound_here: boolean;
  code_required: boolean;
  data_notice: { title: string; paragraphs: string[]; stored: string[]; not_stored: string[] };
}

export interface Redeemed {
  consultation_id: string;
  participant_id: string;
}

export interface Me {
  id: string;
  consultation_id: string;
  role: ParticipantRole;
  name: string | null;
  place: Place;
  practitioner_name: string;
  clinic_name: string;
  capabilities: Capability[];
}

export interface JoinTicket {
  ticket: string;
  expires_at: string;
}

export interface ConsentText {
  text: string;
  version: string;
  language: string;
  title: string;
  /** Markdown: paragraphs, "## " headings, "- " lists and **bold** only. */
  body: string;
  digest: string;
  languages: string[];
  purposes: Purpose[];
  legal_basis: string;
  jurisdiction: string;
  recipients: string[];
  retention_class: string;
  expires: string;
  required: boolean;
  roles: ParticipantRole[];
  status: "sample" | "adopted";
}

export type Purpose =
  | "care_by_video"
  | "recording_audio"
  | "recording_video"
  | "interpreter_presence"
  | "teaching"
  | "third_party_sharing";

export type Decided = "permit" | "deny" | "withdrawn";

/** A text that is asked about before the waiting room. */
export interface WantedConsent {
  text: ConsentText;
  decision: Decided | null;
}

/** A statement as this browser signed it; docs/consent.md says what it holds. */
export interface SignedDecision {
  statement: string;
  algorithm: "Ed25519" | "ES256";
  public_key: string;
  signature: string;
}

export type Disposition = "keep" | "keep_until_review" | "destroy";

export interface Recorded {
  id: string;
  what_was_recorded: Disposition | null;
  place: Place;
}

export interface Consent {
  id: string;
  consultation_id: string;
  recording_id: string | null;
  participant_id: string;
  /** Null once the evidence key was destroyed. */
  person: string | null;
  role: ParticipantRole;
  capacity: "self" | "parent_or_guardian" | "legal_representative";
  representative_name: string | null;
  representative_relationship: string | null;
  decision: Decided;
  permitted: Purpose[];
  denied: Purpose[];
  text: string;
  version: string;
  language: string;
  digest: string;
  method: "in_page" | "receipt_link" | "unsigned";
  signed: boolean;
  /** Whether it counts still. */
  stands: boolean;
  policy_digest: string;
  /** SHA-256 of title and body as they were shown. */
  shown: string;
  decided_at: string;
}

/** What a private link to receipts opens. */
/** A receipt to be read. */
export interface ReceiptPage {
  title: string;
  language: string;
  facts: { label: string; value: string }[];
  /** In the small Markdown of consent texts. */
  text: string;
}

export interface Receipts {
  clinic_name: string;
  consultation_id: string;
  participant_id: string;
  expires_at: string;
  consents: { title: string; consent: Consent }[];
}

export interface ConsentSearch {
  id?: string;
  text?: string;
  decision?: Decided;
  purpose?: Purpose;
  from?: string;
  to?: string;
}

export interface ConsentCoverage {
  consultation_id: string;
  status: ConsultationStatus;
  starts_at: string;
  people: { role: ParticipantRole; required: number; given: number; declined: boolean }[];
  recordings: { id: string; state: RecordingState; decided: number; permitted: number }[];
}

export interface TextInForce {
  text: string;
  version: string;
  language: string;
  title: string;
  digest: string;
  policy_digest: string;
  from: string;
  until: string | null;
  body: string;
}

export type RecordingState = "requested" | "active" | "paused" | "stopped" | "sealed" | "destroyed" | "refused";

export interface Recording {
  id: string;
  consultation_id: string;
  state: RecordingState;
  requested_at: string;
  started_at: string | null;
  stopped_at: string | null;
  duration_ms: number;
  bytes: number;
  participants: { id: string; role: ParticipantRole }[];
  retention: { class: string; keep_days: number; due_at: string | null };
  policy_digest: string;
  text: string;
  version: string;
  /** What becomes of it, once somebody has withdrawn. */
  withdrawn: Disposition | null;
}

export interface Presentation {
  participant_id: string;
  name: string;
  role: ParticipantRole;
  source: "camera" | "screen";
  url: string;
  mime: string;
  starts_at_ms: number;
  has_video: boolean;
  has_audio: boolean;
}

export interface Playback {
  playback_id: string;
  recording: Recording;
  duration_ms: number;
  expires_at: string;
  presentations: Presentation[];
}

export type AuditAction = "C" | "R" | "U" | "D" | "E";
export type AuditOutcome = "success" | "denied" | "failure";

export interface AuditEntry {
  index: number;
  id: string;
  at: string;
  action: AuditAction;
  event: string;
  outcome: AuditOutcome;
  agent: {
    kind: "account" | "participant" | "system" | "anonymous";
    id: string | null;
    name: string | null;
    role: string | null;
    network: string | null;
  };
  entities: { kind: string; id: string }[];
  purpose_of_use: string;
  policy_digest: string;
  request_id: string | null;
  detail: Record<string, unknown>;
  leaf_hash: string;
  /** As what it stands out. */
  unusual: AuditMark[];
}

export type AuditMark = "own_name" | "mass_reads" | "off_hours" | "emergency_access" | "repeated_denials";

/** What happened in a stretch of time; hours without entries are left out. */
export interface AuditActivity {
  hours: { at: string; success: number; denied: number; failure: number; unusual: number }[];
  unusual: { mark: AuditMark; person: string | null; name: string | null; entries: number }[];
  people: { id: string; name: string | null; entries: number; denied: number }[];
}

/** As much of a patient as it takes to tell them from another one. */
export interface PatientSeen {
  id: string;
  identifier: string;
  name: string;
  birth_date: string;
}

/** A place outside that the log is handed on to. */
export interface AuditPlace {
  name: string;
  to: string;
  keeps_checkpoints: boolean;
  position: number;
  updated_at: string | null;
  failing_since: string | null;
  error: string | null;
}

export interface NewDisclosure {
  patient: string;
  /** `YYYY-MM-DD`. */
  on: string;
  recipient: string;
  address: string;
  description: string;
  purpose: string;
}

export interface Accounting {
  from: string;
  to: string;
  disclosures: {
    index: number;
    /** A day, or an instant. */
    on: string;
    recipient: string;
    address: string;
    description: string;
    purpose: string;
    way: "recorded" | "copied" | "present";
    exempt: boolean;
  }[];
}

export interface RetentionReport {
  kept: {
    class: string;
    keep_days: number;
    basis: string;
    recordings: number;
    bytes: number;
    held: number;
    due: number;
    next_due: string | null;
  }[];
  entries: number;
  since: string | null;
  readable_subjects: number;
  erased_subjects: number;
  destroyed: { index: number; at: string; what: "recording" | "evidence"; id: string; reason: string }[];
}

export interface ConsentReport {
  decisions: { text: string; decision: "permit" | "deny" | "withdrawn"; method: string; decisions: number; people: number }[];
  recordings: number;
  without_consent: number;
  withdrawn: number;
  samples: string[];
}

export interface SavedSearch {
  id: string;
  name: string;
  search: Omit<AuditSearch, "before" | "limit">;
  /** A stretch of time that ends when the search is opened. */
  period: "day" | "week" | "month" | null;
}

/** An entry with its inclusion proof and its personal values. */
export interface ProvedEntry {
  index: number;
  /** The leaf, byte for byte. */
  body: string;
  inclusion_proof: string[];
  checkpoint: string;
  verifier_key: string;
  disclosures: string[];
}

/** `bundle` is the whole log with its proofs. */
export type AuditExportForm = "bundle" | "ndjson" | "csv" | "fhir" | "cef";

export interface AuditSearch {
  text: string | null;
  /** An event's code, or its area with a dot. */
  event?: string | null;
  person?: string | null;
  patient?: string | null;
  consultation?: string | null;
  recording?: string | null;
  network?: string | null;
  unusual?: AuditMark | "any" | null;
  action: AuditAction | null;
  outcome: AuditOutcome | null;
  from: string | null;
  to: string | null;
  before: number | null;
  limit: number;
}

export interface AuditPage {
  /** Whether every entry of the log could be found. */
  complete: boolean;
  entries: AuditEntry[];
  next_before: number | null;
  size: number;
}

export interface AuditVerification {
  ok: boolean;
  size: number;
  root_hash: string;
  checked: number;
  first_bad: { index: number; reason: string } | null;
  /** The signed note. */
  checkpoint: string;
  elapsed_ms: number;
}

export interface PolicyFile {
  path: string;
  kind: "access" | "consent" | "retention" | "other" | "controls";
  digest: string;
  content: string;
}

export interface Policies {
  digest: string;
  loaded_at: string;
  files: PolicyFile[];
  consent_texts: { text: string; version: string; title: string; languages: string[]; purposes: Purpose[]; required: boolean; status: "sample" | "adopted" }[];
}

export interface RetentionClass {
  class: string;
  keep_days: number;
  basis: string;
  description: string;
}

export interface RetainedRecording {
  recording_id: string;
  consultation_id: string;
  started_at: string | null;
  state: RecordingState;
  class: string;
  due_at: string | null;
}

export interface Retention {
  digest: string;
  classes: RetentionClass[];
  recordings: RetainedRecording[];
}

export interface User {
  id: string;
  username: string;
  display_name: string;
  role: Role;
  status: "invited" | "active" | "suspended";
  created_at: string;
  last_sign_in_at: string | null;
  signs_in_with: ("password" | "passkey" | "authenticator_app" | "provider")[];
  recovery_codes_left: number;
}

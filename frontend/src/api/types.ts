// The shapes of the HTTP API, as the server sends them. Times are RFC 3339 UTC strings.

export type Role = "clinician" | "auditor" | "administrator";
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
  ice_servers: IceServer[];
}

export interface Account {
  id: string;
  username: string;
  display_name: string;
  role: Role;
  expires_at: string;
}

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

export type InvitationStatus = "open" | "redeemed" | "expired" | "cancelled";

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
  purpose: string;
  required: boolean;
  status: "sample" | "adopted";
}

export interface ConsentDecision {
  decision: "permit" | "deny";
  text: string;
  version: string;
  language: string;
  digest: string;
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
}

export interface AuditSearch {
  text: string | null;
  action: AuditAction | null;
  outcome: AuditOutcome | null;
  from: string | null;
  to: string | null;
  before: number | null;
  limit: number;
}

export interface AuditPage {
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
  kind: "access" | "consent" | "retention" | "controls";
  digest: string;
  content: string;
}

export interface Policies {
  digest: string;
  loaded_at: string;
  files: PolicyFile[];
  consent_texts: { text: string; version: string; languages: string[]; purpose: string; status: "sample" | "adopted" }[];
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
  status: "active" | "suspended";
  created_at: string;
  last_sign_in_at: string | null;
}

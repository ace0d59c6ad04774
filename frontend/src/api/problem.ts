// What the server answers when it refuses (RFC 9457), as an error with a stable code.
// Invariant: whatever goes wrong in a request, callers see a Problem, and every known code has words in the catalogue.
import { t, tOr } from "../messages";

export const CODES = [
  "UNAUTHENTICATED",
  "SIGN_IN_FAILED",
  "SIGN_IN_EXPIRED",
  "SECOND_FACTOR_FAILED",
  "SECOND_FACTOR_REQUIRED",
  "LONGER_PASSWORD_REQUIRED",
  "REAUTHENTICATE",
  "REAUTHENTICATION_FAILED",
  "ACCOUNT_LINK_UNKNOWN",
  "ACCOUNT_LINK_USED",
  "ACCOUNT_LINK_EXPIRED",
  "PROVIDER_REFUSED",
  "PROVIDER_NO_ROLE",
  "PROVIDER_UNAVAILABLE",
  "CODE_REQUIRED",
  "CODE_FAILED",
  "FORBIDDEN",
  "ORIGIN",
  "SCOPE",
  "NOT_FOUND",
  "INVITATION_UNKNOWN",
  "INVITATION_USED",
  "INVITATION_EXPIRED",
  "INVITATION_CANCELLED",
  "INVITATION_LOCKED",
  "CONSULTATION_ENDED",
  "CONFLICT",
  "CONSENT_INCOMPLETE",
  "CONSENT_SIGNATURE",
  "CONSENT_REQUIRED",
  "CONSENT_WITHDRAWN",
  "LEGAL_HOLD",
  "NOTICE_REQUIRED",
  "CONSENT_MISMATCH",
  "VALIDATION",
  "MALFORMED",
  "BODY_TOO_LARGE",
  "CONTENT_TYPE",
  "THROTTLED",
  "KEY_DESTROYED",
  "INTEGRITY",
  "AUDIT_UNAVAILABLE",
  "INTERNAL",
  "NETWORK", // ours: no answer came
  "PASSKEY", // ours: the browser made or gave no passkey
] as const;
export type Code = (typeof CODES)[number];

export interface FieldError {
  name: string;
  message: string;
}

export class Problem extends Error {
  override readonly name = "Problem";

  constructor(
    readonly code: Code,
    /** HTTP status, 0 when no answer came. */
    readonly status: number,
    /** The server's own sentence: safe to show, but in English. */
    readonly detail: string | null = null,
    readonly requestId: string | null = null,
    readonly fields: readonly FieldError[] = [],
    /** Seconds to wait, from Retry-After. */
    readonly retryAfter: number | null = null,
  ) {
    super(detail ? `${code}: ${detail}` : code);
  }

  /** The server's words about one field of a form, if it named it. */
  field(name: string): string | undefined {
    return this.fields.find((field) => field.name === name)?.message;
  }
}

function isCode(value: unknown): value is Code {
  return CODES.includes(value as Code);
}

function text(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

function fieldErrors(value: unknown): FieldError[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((item: unknown) => {
    const { name, message } = (item ?? {}) as Record<string, unknown>;
    return typeof name === "string" && typeof message === "string" ? [{ name, message }] : [];
  });
}

/** The code for an answer that carries none, as a proxy in between might send. */
function codeOfStatus(status: number): Code {
  const known: Record<number, Code> = {
    400: "MALFORMED",
    401: "UNAUTHENTICATED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    409: "CONFLICT",
    413: "BODY_TOO_LARGE",
    415: "CONTENT_TYPE",
    422: "VALIDATION",
    429: "THROTTLED",
    502: "NETWORK",
    503: "NETWORK",
    504: "NETWORK",
  };
  return known[status] ?? "INTERNAL";
}

/** The code of this name, as an address may carry it. */
export function problemNamed(name: string | null): Problem | null {
  return isCode(name) ? new Problem(name, 0) : null;
}

/** Reads the body of a refusing answer; `body` is whatever JSON it held, or null. */
export function problemOf(status: number, body: unknown, retryAfter: string | null): Problem {
  const members = typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
  const seconds = retryAfter === null ? Number.NaN : Number.parseInt(retryAfter, 10);
  return new Problem(
    isCode(members["code"]) ? members["code"] : codeOfStatus(status),
    status,
    text(members["detail"]),
    text(members["request_id"]),
    fieldErrors(members["fields"]),
    Number.isFinite(seconds) ? seconds : null,
  );
}

/** Any thrown value as a Problem, so that a page has one thing to show. */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return new Problem("INTERNAL", 0, error instanceof Error ? error.message : null);
}

/** The sentence for a person, in their language. */
export function problemMessage(problem: Problem): string {
  if (problem.code === "THROTTLED") return t("error.THROTTLED", { count: Math.max(1, problem.retryAfter ?? 30) });
  return tOr(`error.${problem.code}`, t("error.INTERNAL"));
}

// A small router over the History API.
// Invariants: the pattern list is the only place that knows the addresses; ids alone appear in them; a return path after
// sign-in can only lead to a page of ours (`safeReturnPath`).
import { signal } from "@preact/signals";

export type Route =
  | { page: "home" }
  | { page: "sign-in" }
  | { page: "consultations" }
  | { page: "new-consultation" }
  | { page: "consultation"; consultationId: string }
  | { page: "staff-call"; consultationId: string }
  | { page: "join"; invitationId: string }
  | { page: "receipts"; linkId: string }
  | { page: "consents" }
  | { page: "recordings" }
  | { page: "recording"; recordingId: string }
  | { page: "audit"; tab: "entries" | "activity" | "reports" | "proofs" }
  | { page: "retention" }
  | { page: "policies" }
  | { page: "users" }
  | { page: "access" }
  | { page: "emergencies" }
  | { page: "account" }
  | { page: "set-password"; linkId: string }
  | { page: "not-found" };

const PATTERNS: [RegExp, (parts: string[]) => Route][] = [
  [/^\/$/, () => ({ page: "home" })],
  [/^\/sign-in$/, () => ({ page: "sign-in" })],
  [/^\/consultations$/, () => ({ page: "consultations" })],
  [/^\/consultations\/new$/, () => ({ page: "new-consultation" })],
  [/^\/consultations\/([^/]+)$/, ([id]) => ({ page: "consultation", consultationId: id ?? "" })],
  [/^\/consultations\/([^/]+)\/call$/, ([id]) => ({ page: "staff-call", consultationId: id ?? "" })],
  [/^\/join\/([^/]+)$/, ([id]) => ({ page: "join", invitationId: id ?? "" })],
  [/^\/receipts\/([^/]+)$/, ([id]) => ({ page: "receipts", linkId: id ?? "" })],
  [/^\/consents$/, () => ({ page: "consents" })],
  [/^\/recordings$/, () => ({ page: "recordings" })],
  [/^\/recordings\/([^/]+)$/, ([id]) => ({ page: "recording", recordingId: id ?? "" })],
  [/^\/audit$/, () => ({ page: "audit", tab: "entries" })],
  [/^\/audit\/activity$/, () => ({ page: "audit", tab: "activity" })],
  [/^\/audit\/reports$/, () => ({ page: "audit", tab: "reports" })],
  [/^\/audit\/proofs$/, () => ({ page: "audit", tab: "proofs" })],
  [/^\/retention$/, () => ({ page: "retention" })],
  [/^\/policies$/, () => ({ page: "policies" })],
  [/^\/users$/, () => ({ page: "users" })],
  [/^\/users\/access$/, () => ({ page: "access" })],
  [/^\/emergencies$/, () => ({ page: "emergencies" })],
  [/^\/account$/, () => ({ page: "account" })],
  [/^\/set-password\/([^/]+)$/, ([id]) => ({ page: "set-password", linkId: id ?? "" })],
];

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // malformed escapes: the server will not know such an id either
  }
}

/** The route of a path (without query or fragment). A slash at the end is forgiven. */
export function matchRoute(path: string): Route {
  const trimmed = path.length > 1 ? path.replace(/\/+$/, "") || "/" : path;
  for (const [pattern, make] of PATTERNS) {
    const match = pattern.exec(trimmed);
    if (match) return make(match.slice(1).map(decode));
  }
  return { page: "not-found" };
}

/** `candidate` if it is a path on this site, else "/". */
export function safeReturnPath(candidate: string | null): string {
  if (!candidate || !candidate.startsWith("/") || candidate.startsWith("//") || /[\\\s]/.test(candidate)) return "/";
  return matchRoute(candidate.split(/[?#]/)[0] ?? "/").page === "sign-in" ? "/" : candidate;
}

export interface Location {
  path: string;
  /** Query with its "?", or "". */
  search: string;
}

const inBrowser = typeof window !== "undefined";
const here = (): Location => ({ path: window.location.pathname, search: window.location.search });

export const currentLocation = signal<Location>(inBrowser ? here() : { path: "/", search: "" });

/** How many navigations happened in this page's life; 0 means that the address was just opened. */
export const navigations = { count: 0 };

/** Goes to a path of ours, without loading the page anew. */
export function navigate(href: string, options: { replace?: boolean } = {}): void {
  if (options.replace) history.replaceState(null, "", href);
  else history.pushState(null, "", href);
  navigations.count += 1;
  currentLocation.value = here();
  if (!options.replace) window.scrollTo(0, 0);
}

if (inBrowser) {
  window.addEventListener("popstate", () => {
    navigations.count += 1;
    currentLocation.value = here();
  });
}

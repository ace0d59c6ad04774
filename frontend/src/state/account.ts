// Who is signed in on this browser, for the staff's pages.
// Invariant: when the server says that nobody is, the pages forget the account at once and ask for a new sign-in, keeping the
// page to come back to. A patient's page never comes here.
import { signal } from "@preact/signals";
import { api, setSignedOutHandler } from "../api/client";
import { asProblem, type Problem } from "../api/problem";
import type { Account, Role } from "../api/types";
import { currentLocation, navigate } from "../router";

export type AccountState =
  | { kind: "unknown" }
  | { kind: "signed-out" }
  | { kind: "signed-in"; account: Account }
  | { kind: "failed"; problem: Problem };

export const accountState = signal<AccountState>({ kind: "unknown" });

/** Set while signing out, whose late answers must not be called an expiry. */
let leaving = false;

/** The page each role starts on. */
export function homeOf(role: Role): string {
  switch (role) {
    case "clinician":
    case "scheduler":
      return "/consultations";
    case "records_officer":
      return "/recordings";
    case "auditor":
      return "/audit";
    case "administrator":
      return "/users";
  }
}

/** The signed-in account, or null. */
export function account(): Account | null {
  return accountState.value.kind === "signed-in" ? accountState.value.account : null;
}

export async function loadAccount(): Promise<void> {
  accountState.value = { kind: "unknown" };
  try {
    accountState.value = { kind: "signed-in", account: await api.account() };
  } catch (error) {
    const problem = asProblem(error);
    accountState.value = problem.status === 401 ? { kind: "signed-out" } : { kind: "failed", problem };
  }
}

export function signedIn(who: Account): void {
  leaving = false;
  accountState.value = { kind: "signed-in", account: who };
}

export async function signOut(): Promise<void> {
  leaving = true;
  const answer = await api.signOut().catch(() => null); // an expired sign-in is as good as a sign-out
  accountState.value = { kind: "signed-out" };
  navigate("/sign-in?reason=signed-out");
  if (answer?.address) window.location.assign(answer.address);
}

/** The sign-in page's address that leads back to where the person is. */
export function signInAddress(reason: "expired" | null): string {
  const { path } = currentLocation.value;
  const query = new URLSearchParams();
  if (path !== "/" && path !== "/sign-in") query.set("return", path);
  if (reason) query.set("reason", reason);
  const text = query.toString();
  return text ? `/sign-in?${text}` : "/sign-in";
}

setSignedOutHandler(() => {
  if (accountState.value.kind !== "signed-in" || leaving) return;
  const address = signInAddress("expired");
  accountState.value = { kind: "signed-out" };
  navigate(address, { replace: true });
});

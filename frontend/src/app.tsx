// Chooses the page for the address. Invariants: a staff page is shown only to somebody signed in whose role has that page (the
// server decides again on every request); the patient's page never asks for an account; every feature is loaded when needed.
import { effect } from "@preact/signals";
import { Component, type ComponentChildren, type ComponentType, type JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Account, Role } from "./api/types";
import { language, t } from "./messages";
import { currentLocation, matchRoute, navigate, type Route } from "./router";
import { proofAsked } from "./state/proof";
import { accountState, homeOf, loadAccount, signInAddress } from "./state/account";
import { Button, LiveRegions, MessagePage, Page, ProblemNotice, PublicShell, Spinner, StaffShell } from "./ui";

effect(() => {
  document.documentElement.lang = language.value;
});

/** A feature's module, loaded on first use. */
function lazy<P extends object>(load: () => Promise<{ default: ComponentType<P> }>): (props: P) => JSX.Element {
  let loaded: ComponentType<P> | null = null;
  return function Lazy(props: P): JSX.Element {
    const [, redraw] = useState(0);
    const [failed, setFailed] = useState(false);
    const begin = (): void => {
      setFailed(false);
      load().then(
        (module) => {
          loaded = module.default;
          redraw((n) => n + 1);
        },
        () => setFailed(true),
      );
    };
    useEffect(() => {
      if (!loaded) begin();
    }, []);
    if (loaded) {
      const Loaded = loaded;
      return <Loaded {...props} />;
    }
    if (failed) {
      return (
        <Page title={t("error.title")} intro={t("error.NETWORK")} width="narrow">
          <Button variant="primary" icon="refresh" onClick={begin}>
            {t("action.retry")}
          </Button>
        </Page>
      );
    }
    return (
      <main id="content" tabIndex={-1}>
        <Spinner />
      </main>
    );
  };
}

/** Loaded when it is first needed; nothing stands in its place until then. */
function lazyDialog(load: () => Promise<{ ProofDialog: ComponentType }>): () => JSX.Element | null {
  let loaded: ComponentType | null = null;
  return function LazyDialog(): JSX.Element | null {
    const [, redraw] = useState(0);
    const wanted = proofAsked.value !== null;
    useEffect(() => {
      if (!wanted || loaded) return;
      load().then(
        (module) => {
          loaded = module.ProofDialog;
          redraw((n) => n + 1);
        },
        () => proofAsked.peek()?.(false),
      );
    }, [wanted]);
    if (!wanted || !loaded) return null;
    const Loaded = loaded;
    return <Loaded />;
  };
}

const SignInPage = lazy(() => import("./features/sign-in/SignInPage"));
const ConsultationsPage = lazy(() => import("./features/consultations/ConsultationsPage"));
const NewConsultationPage = lazy(() => import("./features/consultations/NewConsultationPage"));
const ConsultationPage = lazy(() => import("./features/consultations/ConsultationPage"));
const RecordingsPage = lazy(() => import("./features/recordings/RecordingsPage"));
const PlaybackPage = lazy(() => import("./features/recordings/PlaybackPage"));
const AuditPage = lazy(() => import("./features/audit/AuditPage"));
const RetentionPage = lazy(() => import("./features/retention/RetentionPage"));
const PoliciesPage = lazy(() => import("./features/policies/PoliciesPage"));
const UsersPage = lazy(() => import("./features/users/UsersPage"));
const AccessPage = lazy(() => import("./features/users/AccessPage"));
const EmergenciesPage = lazy(() => import("./features/emergency/EmergenciesPage"));
const AccountPage = lazy(() => import("./features/account/AccountPage"));
const SetPasswordPage = lazy(() => import("./features/account/SetPasswordPage"));
const ProofDialog = lazyDialog(() => import("./features/account/ProofDialog"));
const ReceiptsPage = lazy(() => import("./features/consent/ReceiptsPage"));
const RegistersPage = lazy(() => import("./features/consent/RegistersPage"));
const JoinPage = lazy(() => import("./features/join/JoinPage"));
const StaffCallPage = lazy(() => import("./features/call/StaffCallPage"));

/** Which roles a staff page is for. */
const ROLES: Partial<Record<Route["page"], readonly Role[]>> = {
  "consultations": ["clinician", "scheduler"],
  "new-consultation": ["clinician", "scheduler"],
  "consultation": ["clinician", "scheduler"],
  "staff-call": ["clinician"],
  "recordings": ["clinician", "auditor", "records_officer"],
  "recording": ["clinician", "auditor", "records_officer"],
  "consents": ["auditor", "records_officer"],
  "audit": ["auditor"],
  "retention": ["auditor", "records_officer", "administrator"],
  "policies": ["auditor", "records_officer", "administrator"],
  "users": ["auditor", "administrator"],
  "access": ["auditor", "administrator"],
  "emergencies": ["auditor", "administrator"],
};

function staffPage(route: Route): JSX.Element | null {
  switch (route.page) {
    case "consultations":
      return <ConsultationsPage />;
    case "new-consultation":
      return <NewConsultationPage />;
    case "consultation":
      return <ConsultationPage key={route.consultationId} consultationId={route.consultationId} />;
    case "consents":
      return <RegistersPage />;
    case "recordings":
      return <RecordingsPage />;
    case "recording":
      return <PlaybackPage key={route.recordingId} recordingId={route.recordingId} />;
    case "audit":
      return <AuditPage tab={route.tab} />;
    case "retention":
      return <RetentionPage />;
    case "policies":
      return <PoliciesPage />;
    case "users":
      return <UsersPage />;
    case "access":
      return <AccessPage />;
    case "emergencies":
      return <EmergenciesPage />;
    default:
      return null;
  }
}

function Redirect({ to }: { to: string }): JSX.Element {
  useEffect(() => navigate(to, { replace: true }), [to]);
  return (
    <main id="content" tabIndex={-1}>
      <Spinner />
    </main>
  );
}

function NotFound(): JSX.Element {
  return <MessagePage title={t("notfound.title")} text={t("notfound.text")} />;
}

function SignedInPage({ route, who }: { route: Route; who: Account }): JSX.Element {
  // Whoever must set something up first sees that and nothing else.
  if (who.missing && route.page !== "account") return <Redirect to="/account" />;
  if (route.page === "account") {
    return (
      <StaffShell>
        <AccountPage who={who} />
        <ProofDialog />
      </StaffShell>
    );
  }
  if (route.page === "home") return <Redirect to={homeOf(who.role)} />;
  const roles = ROLES[route.page];
  if (roles && !roles.includes(who.role)) {
    return (
      <StaffShell>
        <MessagePage title={t("forbidden.title")} text={t("forbidden.text", { role: t(`role.${who.role}`) })} />
      </StaffShell>
    );
  }
  // The call has the whole screen.
  if (route.page === "staff-call") return <StaffCallPage key={route.consultationId} consultationId={route.consultationId} />;
  return (
    <StaffShell>
      {staffPage(route) ?? <NotFound />}
      <ProofDialog />
    </StaffShell>
  );
}

/** Everything that needs an account. */
function StaffArea({ route }: { route: Route }): JSX.Element {
  const state = accountState.value;
  useEffect(() => {
    if (accountState.peek().kind === "unknown") void loadAccount();
  }, []);
  switch (state.kind) {
    case "unknown":
      return (
        <main id="content" tabIndex={-1}>
          <Spinner />
        </main>
      );
    case "signed-out":
      return <Redirect to={signInAddress(null)} />;
    case "failed":
      return (
        <PublicShell>
          <Page title={t("error.title")} width="narrow">
            <ProblemNotice problem={state.problem} onRetry={() => void loadAccount()} />
          </Page>
        </PublicShell>
      );
    case "signed-in":
      return <SignedInPage route={route} who={state.account} />;
  }
}

function Chosen({ route }: { route: Route }): JSX.Element {
  switch (route.page) {
    case "join":
      return <JoinPage key={route.invitationId} invitationId={route.invitationId} />;
    case "receipts":
      return (
        <PublicShell>
          <ReceiptsPage key={route.linkId} linkId={route.linkId} />
        </PublicShell>
      );
    case "sign-in":
      return (
        <PublicShell>
          <SignInPage />
        </PublicShell>
      );
    case "set-password":
      return (
        <PublicShell>
          <SetPasswordPage key={route.linkId} linkId={route.linkId} />
        </PublicShell>
      );
    case "not-found":
      return (
        <PublicShell>
          <NotFound />
        </PublicShell>
      );
    default:
      return <StaffArea route={route} />;
  }
}

/** Catches what a page's code throws, so that a mistake never leaves a blank screen. */
class CrashGuard extends Component<{ children: ComponentChildren }, { crashed: boolean }> {
  override state = { crashed: false };

  static override getDerivedStateFromError(): { crashed: boolean } {
    return { crashed: true };
  }

  override render(): ComponentChildren {
    if (!this.state.crashed) return this.props.children;
    return (
      <PublicShell>
        <Page title={t("crash.title")} intro={t("crash.text")} width="narrow">
          <Button variant="primary" icon="refresh" onClick={() => window.location.reload()}>
            {t("crash.reload")}
          </Button>
        </Page>
      </PublicShell>
    );
  }
}

export function App(): JSX.Element {
  const route = matchRoute(currentLocation.value.path);
  return (
    <>
      <CrashGuard key={currentLocation.value.path}>
        <Chosen route={route} />
      </CrashGuard>
      <LiveRegions />
    </>
  );
}

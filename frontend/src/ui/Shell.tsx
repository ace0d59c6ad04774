// The frame around every page: skip link, header, navigation by role, account menu.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { Account, Role } from "../api/types";
import { t, type Key } from "../messages";
import { currentLocation } from "../router";
import { account, homeOf, signOut } from "../state/account";
import { config } from "../state/config";
import { lookForEmergencies, unseenEmergencies } from "../state/emergencies";
import { Badge } from "./Badge";
import { Button } from "./Button";
import { ContradictionNotice } from "./Contradiction";
import { Icon } from "./Icon";
import { Link } from "./Link";
import { Brand } from "./Mark";
import { LanguageSwitch, ThemeSwitch } from "./Settings";

const NAVIGATION: Record<Role, readonly { href: string; label: Key }[]> = {
  clinician: [
    { href: "/consultations", label: "nav.consultations" },
    { href: "/recordings", label: "nav.recordings" },
  ],
  scheduler: [{ href: "/consultations", label: "nav.consultations" }],
  records_officer: [
    { href: "/recordings", label: "nav.recordings" },
    { href: "/consents", label: "nav.consents" },
    { href: "/retention", label: "nav.retention" },
    { href: "/policies", label: "nav.policies" },
  ],
  auditor: [
    { href: "/audit", label: "nav.audit" },
    { href: "/consents", label: "nav.consents" },
    { href: "/emergencies", label: "nav.emergencies" },
    { href: "/users", label: "nav.users" },
    { href: "/recordings", label: "nav.recordings" },
    { href: "/retention", label: "nav.retention" },
    { href: "/policies", label: "nav.policies" },
  ],
  administrator: [
    { href: "/users", label: "nav.users" },
    { href: "/emergencies", label: "nav.emergencies" },
    { href: "/policies", label: "nav.policies" },
    { href: "/retention", label: "nav.retention" },
  ],
};

/** How often those who answer for emergency accesses are told of new ones. */
const LOOK_MS = 20_000;

function Navigation({ role, onFollow }: { role: Role; onFollow?: () => void }): JSX.Element {
  const { path } = currentLocation.value;
  const unseen = unseenEmergencies.value;
  return (
    <nav class="nav" aria-label={t("nav.label")}>
      {NAVIGATION[role].map(({ href, label }) => (
        <Link
          key={href}
          href={href}
          aria-current={path === href || path.startsWith(`${href}/`) ? "page" : undefined}
          {...(onFollow ? { onClick: onFollow } : {})}
        >
          {t(label)}
          {href === "/emergencies" && unseen > 0 && <Badge kind="danger">{String(unseen)}</Badge>}
        </Link>
      ))}
    </nav>
  );
}

function AccountMenu({ who }: { who: Account }): JSX.Element {
  const [open, setOpen] = useState(false);
  const menu = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const id = useId();
  useEffect(() => {
    if (!open) return;
    const outside = (event: Event): void => {
      if (event.target instanceof Node && !menu.current?.contains(event.target)) setOpen(false);
    };
    const escape = (event: KeyboardEvent): void => {
      if (event.key !== "Escape") return;
      setOpen(false);
      button.current?.focus();
    };
    document.addEventListener("pointerdown", outside);
    document.addEventListener("focusin", outside);
    document.addEventListener("keydown", escape);
    return () => {
      document.removeEventListener("pointerdown", outside);
      document.removeEventListener("focusin", outside);
      document.removeEventListener("keydown", escape);
    };
  }, [open]);
  return (
    <div class="menu" ref={menu}>
      <Button
        variant="quiet"
        class="menu__button"
        buttonRef={button}
        expanded={open}
        controls={id}
        label={`${t("nav.account")}: ${who.display_name}`}
        onClick={() => setOpen(!open)}
      >
        <span class="menu__button-name">{who.display_name}</span>
        <Icon name="menu" />
      </Button>
      <div class="menu__panel" id={id} hidden={!open}>
        {!who.missing && <Navigation role={who.role} onFollow={() => setOpen(false)} />}
        <div class="menu__who">
          <strong>{who.display_name}</strong>
          <span class="faint small">
            {who.username} · {t(`role.${who.role}`)}
          </span>
        </div>
        <div>
          <p class="menu__label">{t("settings.language")}</p>
          <LanguageSwitch wide />
        </div>
        <div>
          <p class="menu__label">{t("settings.theme")}</p>
          <ThemeSwitch wide />
        </div>
        <Button icon="shield" wide href="/account">
          {t("nav.your_account")}
        </Button>
        <Button icon="sign-out" wide onClick={() => void signOut()}>
          {t("nav.sign_out")}
        </Button>
      </div>
    </div>
  );
}

function DemoRibbon(): JSX.Element | null {
  return config.value?.demo ? <div class="ribbon">{t("app.demo")}</div> : null;
}

function SkipLink(): JSX.Element {
  return (
    <a
      class="skip button button--primary"
      href="#content"
      onClick={(event) => {
        event.preventDefault(); // the fragment of a patient's page holds their secret and must not change
        document.getElementById("content")?.focus();
      }}
    >
      {t("app.skip")}
    </a>
  );
}

/** Around a staff page. */
export function StaffShell({ children }: { children: ComponentChildren }): JSX.Element {
  const who = account();
  const answers = who !== null && who.missing === null && (who.role === "administrator" || who.role === "auditor");
  useEffect(() => {
    if (!answers) return;
    const look = (): void => {
      if (document.visibilityState === "visible") void lookForEmergencies();
    };
    look();
    const timer = window.setInterval(look, LOOK_MS);
    return () => window.clearInterval(timer);
  }, [answers]);
  return (
    <>
      <SkipLink />
      <header class="header">
        <DemoRibbon />
        <div class="header__inner">
          <Link href={who ? homeOf(who.role) : "/"} class="brand">
            <Brand />
            <span class="quietly"> ({t("nav.home")})</span>
          </Link>
          {who && !who.missing && <Navigation role={who.role} />}
          <div class="header__end">{who && <AccountMenu who={who} />}</div>
        </div>
      </header>
      <ContradictionNotice />
      {children}
    </>
  );
}

/** Around a page for somebody without an account: sign-in and the patient's pages. */
export function PublicShell({ children }: { children: ComponentChildren }): JSX.Element {
  return (
    <>
      <SkipLink />
      <header class="header header--bare">
        <DemoRibbon />
        <div class="header__inner">
          <span class="brand">
            <Brand />
          </span>
          <div class="header__end">
            <LanguageSwitch />
          </div>
        </div>
      </header>
      <ContradictionNotice />
      {children}
    </>
  );
}

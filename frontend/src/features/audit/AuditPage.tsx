// The audit log for the auditor: entries, activity, reports, proofs; a tab for each.
import type { JSX } from "preact";
import { t } from "../../messages";
import "../../messages/audit";
import { Link, Page } from "../../ui";
import { ActivityTab } from "./ActivityTab";
import "./audit.css";
import { EntriesTab } from "./EntriesTab";
import { Places } from "./Places";
import { ReportsTab } from "./ReportsTab";
import { Verification } from "./Verification";

export type AuditTab = "entries" | "activity" | "reports" | "proofs";

const TABS: Record<AuditTab, { href: string; content: () => JSX.Element }> = {
  entries: { href: "/audit", content: EntriesTab },
  activity: { href: "/audit/activity", content: ActivityTab },
  reports: { href: "/audit/reports", content: ReportsTab },
  proofs: {
    href: "/audit/proofs",
    content: () => (
      <div class="stack stack--loose">
        <Verification />
        <Places />
      </div>
    ),
  },
};

export default function AuditPage({ tab }: { tab: AuditTab }): JSX.Element {
  const Content = TABS[tab].content;
  return (
    <Page title={tab === "entries" ? t("audit.title") : `${t("audit.title")}: ${t(`audit.tab.${tab}`)}`} heading={t("audit.title")} intro={t("audit.intro")}>
      <nav class="tabs" aria-label={t("audit.title")}>
        {(Object.keys(TABS) as AuditTab[]).map((one) => (
          <Link key={one} href={TABS[one].href} class="tabs__tab" aria-current={one === tab ? "page" : undefined}>
            {t(`audit.tab.${one}`)}
          </Link>
        ))}
      </nav>
      <Content />
    </Page>
  );
}

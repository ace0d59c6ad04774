// The entries that were found, newest first; each opens to everything that is recorded of it.
import type { JSX } from "preact";
import type { AuditEntry, AuditOutcome } from "../../api/types";
import { t, tOr } from "../../messages";
import { formatExact } from "../../messages/dates";
import { Badge, Button, Facts, Icon, type BadgeProps } from "../../ui";
import { Proof } from "./Proof";
import { isFollowed, type Followed } from "./search-form";
import { agentName, sentence } from "./sentence";

const OUTCOME: Record<AuditOutcome, BadgeProps["kind"]> = { success: "success", denied: "warning", failure: "danger" };

function OutcomeBadge({ outcome }: { outcome: AuditOutcome }): JSX.Element {
  return <Badge kind={OUTCOME[outcome]}>{t(`audit.outcome.${outcome}`)}</Badge>;
}

function Mono({ children }: { children: string }): JSX.Element {
  return <span class="entry__mono">{children}</span>;
}

/** Leads from an entry to everything that belongs to the same person or thing. */
export interface Follow {
  onPerson: (id: string) => void;
  onThing: (kind: Followed, id: string) => void;
}

function Details({ entry, onPerson, onThing }: { entry: AuditEntry } & Follow): JSX.Element {
  const { agent } = entry;
  const role = agent.role ? tOr(`role.${agent.role}`, agent.role) : null;
  return (
    <div class="entry__details">
      <Facts
        items={[
          [t("audit.field.event"), <Mono>{entry.event}</Mono>],
          [t("audit.search.action"), t(`audit.action.${entry.action}`)],
          [
            t("audit.field.who"),
            <>
              {agentName(agent)}
              {role && ` · ${role}`}
              {agent.id && (
                <>
                  <br />
                  <Mono>{agent.id}</Mono>
                  {agent.kind === "account" && <FollowButton label={t("audit.follow.person")} onClick={() => onPerson(agent.id ?? "")} />}
                </>
              )}
            </>,
          ],
          agent.network ? [t("audit.field.network"), <Mono>{agent.network}</Mono>] : null,
          entry.entities.length > 0
            ? [
                t("audit.field.entities"),
                entry.entities.map((entity) => (
                  <div key={entity.kind + entity.id}>
                    {entity.kind.replace(/_/g, " ")} <Mono>{entity.id}</Mono>
                    {isFollowed(entity.kind) && (
                      <FollowButton
                        label={t(`audit.follow.${entity.kind}`)}
                        onClick={() => isFollowed(entity.kind) && onThing(entity.kind, entity.id)}
                      />
                    )}
                  </div>
                )),
              ]
            : null,
          [t("audit.field.purpose"), tOr(`audit.purpose.${entry.purpose_of_use}`, entry.purpose_of_use)],
          Object.keys(entry.detail).length > 0
            ? [t("audit.field.detail"), <pre class="entry__json">{JSON.stringify(entry.detail, null, 2)}</pre>]
            : null,
          entry.request_id ? [t("audit.field.request"), <Mono>{entry.request_id}</Mono>] : null,
          [t("audit.field.policy"), <Mono>{entry.policy_digest}</Mono>],
          [t("audit.field.id"), <Mono>{entry.id}</Mono>],
          [t("audit.field.leaf"), <Mono>{entry.leaf_hash}</Mono>],
        ]}
      />
      <Proof index={entry.index} />
    </div>
  );
}

function FollowButton({ label, onClick }: { label: string; onClick: () => void }): JSX.Element {
  return (
    <Button variant="quiet" class="entry__follow" icon="search" onClick={onClick}>
      {label}
    </Button>
  );
}

export function Entries({ entries, timeline, ...follow }: { entries: readonly AuditEntry[]; timeline: boolean } & Follow): JSX.Element {
  const shown = timeline ? [...entries].reverse() : entries;
  return (
    <ol class={timeline ? "entries entries--timeline" : "entries"}>
      {shown.map((entry) => (
        <li key={entry.index}>
          <details class="entry">
            <summary class="entry__summary">
              <Icon name="chevron-right" size={18} class="entry__chevron" />
              <span class="entry__sentence">
                {sentence(entry)}
                {entry.unusual.map((mark) => (
                  <Badge key={mark} kind="clay">
                    {tOr(`audit.mark.${mark}`, mark)}
                  </Badge>
                ))}
              </span>
              <span class="entry__meta numbers">
                <time dateTime={entry.at}>{formatExact(entry.at)}</time>
                <span>{t("audit.index", { index: String(entry.index) })}</span>
              </span>
              <span class="entry__outcome">
                <OutcomeBadge outcome={entry.outcome} />
              </span>
            </summary>
            <Details entry={entry} {...follow} />
          </details>
        </li>
      ))}
    </ol>
  );
}

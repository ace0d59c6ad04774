// One entry of the audit log in a sentence. An event or a purpose that the catalogue does not know keeps its stable name, so
// that a newer server's entries are never hidden.
import type { AuditEntry } from "../../api/types";
import { tOr } from "../../messages";

/** The name, or what kind of agent it was; an account's or participant's id tells two nameless ones apart. */
export function agentName(agent: AuditEntry["agent"]): string {
  if (agent.name) return agent.name;
  const kind = tOr(`audit.agent.${agent.kind}`, agent.kind);
  return agent.id && agent.kind !== "system" ? `${kind} (${agent.id.slice(-6)})` : kind;
}

/** Which sentence suits: some events read differently by what was decided or how it ended. */
export function sentenceKey(entry: AuditEntry): string {
  if (entry.event === "consent.decided") {
    if (entry.detail["decision"] === "permit") return "audit.event.consent.permitted";
    if (entry.detail["decision"] === "deny") return "audit.event.consent.denied";
  }
  if (entry.event === "playback.started" && entry.outcome !== "success") return "audit.event.playback.refused";
  return `audit.event.${entry.event}`;
}

export function sentence(entry: AuditEntry): string {
  const who = agentName(entry.agent);
  return tOr(sentenceKey(entry), `${who}: ${entry.event}`, { who });
}

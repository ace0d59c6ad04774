import { beforeAll, describe, expect, it } from "vitest";
import type { AuditEntry } from "../../api/types";
import "../../messages/audit";
import { language } from "../../messages";
import { agentName, sentence } from "./sentence";

function entry(over: Partial<AuditEntry>): AuditEntry {
  return {
    index: 1,
    id: "e",
    at: "2026-03-12T09:00:00Z",
    action: "E",
    event: "sign_in.succeeded",
    outcome: "success",
    agent: { kind: "account", id: "0123456789", name: "Dr. Ana Ruiz", role: "clinician", network: null },
    entities: [],
    purpose_of_use: "TREAT",
    policy_digest: "sha256:0",
    request_id: null,
    detail: {},
    leaf_hash: "0",
    unusual: [],
    ...over,
  };
}

describe("sentence", () => {
  beforeAll(() => {
    language.value = "en";
  });

  it("names who did what", () => {
    expect(sentence(entry({}))).toBe("Dr. Ana Ruiz signed in");
  });

  it("tells a permission from a refusal", () => {
    expect(sentence(entry({ event: "consent.decided", detail: { decision: "permit" } }))).toBe("Dr. Ana Ruiz gave their consent");
    expect(sentence(entry({ event: "consent.decided", detail: { decision: "deny" } }))).toBe(
      "Dr. Ana Ruiz did not give their consent",
    );
    expect(sentence(entry({ event: "playback.started", outcome: "denied" }))).toBe(
      "Dr. Ana Ruiz was refused the playback of a recording",
    );
  });

  it("shows the stable name of an event that it does not know", () => {
    expect(sentence(entry({ event: "moon.landed" }))).toBe("Dr. Ana Ruiz: moon.landed");
  });

  it("tells nameless agents apart", () => {
    expect(agentName({ kind: "participant", id: "aaa111222", name: null, role: null, network: null })).toBe("A participant (111222)");
    expect(agentName({ kind: "system", id: null, name: null, role: null, network: null })).toBe("The server");
  });
});

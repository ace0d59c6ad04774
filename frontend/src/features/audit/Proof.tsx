// Checks in the browser that an entry is in the signed log, and shows its personal values where the entry has their digests.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { api } from "../../api/client";
import { checkSignature, readCheckpoint, type Signature } from "../../log/checkpoint";
import { readDisclosure } from "../../log/disclosures";
import { leafHash, rootOfInclusion, same, unhex } from "../../log/tree";
import { t, tOr } from "../../messages";
import { useAction } from "../../state/resource";
import { Button, Facts, Icon, ProblemNotice } from "../../ui";
import { download } from "../../state/download";

interface Checked {
  readonly included: boolean;
  readonly signature: Signature;
  readonly size: number;
  readonly hashes: number;
  readonly values: readonly [string, string][];
  readonly altered: boolean;
  readonly file: string;
}

async function check(index: number): Promise<Checked> {
  const proved = await api.auditEntry(index);
  const { size, root } = readCheckpoint(proved.checkpoint, proved.verifier_key);
  const led = await rootOfInclusion(proved.index, size, await leafHash(proved.body), proved.inclusion_proof.map(unhex));
  const entry = JSON.parse(proved.body) as { personal?: Record<string, string> };
  const read = await Promise.all(proved.disclosures.map((disclosure) => readDisclosure(entry, disclosure)));
  return {
    included: led !== null && same(led, root),
    signature: await checkSignature(proved.checkpoint, proved.verifier_key),
    size,
    hashes: proved.inclusion_proof.length,
    values: read.filter((value) => value !== null),
    altered: read.some((value) => value === null),
    file: JSON.stringify(proved, null, 2),
  };
}

export function Proof({ index }: { index: number }): JSX.Element {
  const [checked, setChecked] = useState<Checked | null>(null);
  const act = useAction(async () => setChecked(await check(index)));
  if (!checked) {
    return (
      <div class="stack">
        <div>
          <Button icon="shield" busy={act.busy} onClick={() => void act.run()}>
            {t("audit.proof")}
          </Button>
        </div>
        {act.problem && <ProblemNotice problem={act.problem} />}
      </div>
    );
  }
  const good = checked.included && checked.signature !== "bad" && !checked.altered;
  return (
    <div class={good ? "verdict verdict--ok" : "verdict verdict--bad"} role={good ? "status" : "alert"}>
      <div class="verdict__head">
        <span class="verdict__icon">
          <Icon name={good ? "shield" : "shield-alert"} size={26} />
        </span>
        <div>
          <p class="verdict__title">{t(good ? "audit.proof.ok" : "audit.proof.bad")}</p>
          <p>{t("audit.proof.how", { size: checked.size, hashes: checked.hashes })}</p>
          <p>{t(`audit.proof.signature.${checked.signature}`)}</p>
        </div>
      </div>
      {checked.values.length > 0 && (
        <Facts items={checked.values.map(([name, value]) => [tOr(`audit.personal.${name}`, name), value] as const)} />
      )}
      <div>
        <Button icon="download" onClick={() => download(new Blob([checked.file], { type: "application/json" }), `bedside-audit-entry-${index}.json`)}>
          {t("audit.proof.save")}
        </Button>
      </div>
    </div>
  );
}

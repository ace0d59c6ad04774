// Checks in the browser that an entry is in the signed log, and shows its personal values where the entry has their digests.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { api } from "../../api/client";
import { checkSignature, readCheckpoint, type Signature } from "../../log/checkpoint";
import { checkProved, type Checked as Entry } from "../../log/proved";
import { t, tOr } from "../../messages";
import { useAction } from "../../state/resource";
import { Button, Facts, Icon, ProblemNotice } from "../../ui";
import { download } from "../../state/download";

interface Checked extends Entry {
  readonly signature: Signature;
  readonly size: number;
  readonly hashes: number;
  readonly file: string;
}

async function check(index: number): Promise<Checked> {
  const proved = await api.auditEntry(index);
  const { size } = readCheckpoint(proved.checkpoint, proved.verifier_key);
  return {
    ...(await checkProved(proved, proved.checkpoint, proved.verifier_key)),
    signature: await checkSignature(proved.checkpoint, proved.verifier_key),
    size,
    hashes: proved.inclusion_proof.length,
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

// Verifying the log in the page, and taking a copy of it away to be checked elsewhere.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { api } from "../../api/client";
import type { AuditVerification } from "../../api/types";
import { t } from "../../messages";
import { useAction } from "../../state/resource";
import { Button, Card, Checkbox, Facts, Icon, ProblemNotice, toast } from "../../ui";
import { download } from "../../state/download";

function badText(result: AuditVerification): string {
  return result.first_bad
    ? t("audit.verify.bad_text", { index: String(result.first_bad.index), reason: result.first_bad.reason })
    : t("audit.verify.bad_plain");
}

function Result({ result }: { result: AuditVerification }): JSX.Element {
  return (
    <div class={result.ok ? "verdict verdict--ok" : "verdict verdict--bad"} role={result.ok ? "status" : "alert"}>
      <div class="verdict__head">
        <span class="verdict__icon">
          <Icon name={result.ok ? "shield" : "shield-alert"} size={30} />
        </span>
        <div>
          <p class="verdict__title">{t(result.ok ? "audit.verify.ok" : "audit.verify.bad")}</p>
          <p>{result.ok ? t("audit.verify.ok_text", { count: result.checked, ms: result.elapsed_ms }) : badText(result)}</p>
        </div>
      </div>
      <Facts
        items={[
          [t("audit.verify.size"), <span class="numbers">{result.size}</span>],
          [t("audit.verify.checked"), <span class="numbers">{result.checked}</span>],
          [t("audit.verify.root"), <span class="entry__mono">{result.root_hash}</span>],
          [
            t("audit.verify.checkpoint"),
            <pre class="entry__json" tabIndex={0} aria-label={t("audit.verify.checkpoint")} role="region">
              {result.checkpoint}
            </pre>,
          ],
        ]}
      />
    </div>
  );
}

export function Verification(): JSX.Element {
  const [result, setResult] = useState<AuditVerification | null>(null);
  const verify = useAction(async () => {
    setResult(null);
    setResult(await api.verifyAudit());
  });
  const [disclose, setDisclose] = useState(false);
  const take = useAction(async () => {
    const file = `bedside-audit-${new Date().toISOString().slice(0, 19).replace(/[:T]/g, "-")}.tar`;
    download(await api.exportAudit("bundle", {}, disclose), file);
    toast(t("audit.export.done", { file }));
  });
  return (
    <div class="proofs">
      <Card title={t("audit.verify.title")} intro={t("audit.verify.intro")}>
        <div class="stack">
          <div>
            <Button variant="primary" icon="shield" busy={verify.busy} onClick={() => void verify.run()}>
              {t("audit.verify")}
            </Button>
          </div>
          {verify.busy && <p class="soft" role="status">{t("audit.verify.busy")}</p>}
          {verify.problem && <ProblemNotice problem={verify.problem} />}
          {result && <Result result={result} />}
        </div>
      </Card>
      <Card title={t("audit.export.title")} intro={t("audit.export.intro")}>
        <div class="stack">
          <pre class="command">bedside-verify FILE --key KEY</pre>
          <div>
            <Button icon="download" busy={take.busy} onClick={() => void take.run()}>
              {t("audit.export")}
            </Button>
          </div>
          <Checkbox label={t("audit.export.disclose")} checked={disclose} onChange={setDisclose} />
          {take.problem && <ProblemNotice problem={take.problem} />}
        </div>
      </Card>
    </div>
  );
}

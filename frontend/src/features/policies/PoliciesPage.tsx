// All policy files in force, with the digest that every decision names.
import type { JSX } from "preact";
import { api } from "../../api/client";
import type { Policies, PolicyFile } from "../../api/types";
import { t } from "../../messages";
import { formatDateTime, languageName } from "../../messages/dates";
import "../../messages/staff";
import { useResource } from "../../state/resource";
import { Badge, Card, Facts, Icon, Loaded, Notice, Page, Table } from "../../ui";
import "./policies.css";

const KINDS = ["access", "consent", "retention", "other", "controls"] as const;

function File({ file }: { file: PolicyFile }): JSX.Element {
  return (
    <details class="file">
      <summary>
        <Icon name="chevron-right" size={18} />
        <span class="file__path">{file.path}</span>
      </summary>
      <div class="file__body">
        <p class="small">
          <span class="faint">{t("policies.file_digest")} </span>
          <span class="digest-line__value">{file.digest}</span>
        </p>
        <pre class="file__content" tabIndex={0} role="region" aria-label={t("policies.content", { path: file.path })}>
          {file.content}
        </pre>
      </div>
    </details>
  );
}

type Text = Policies["consent_texts"][number];

function ConsentTexts({ texts }: { texts: Text[] }): JSX.Element | null {
  if (texts.length === 0) return null;
  return (
    <Card title={t("policies.texts")}>
      <div class="stack">
        {texts.some((text) => text.status === "sample") && <Notice kind="warning">{t("policies.sample_warning")}</Notice>}
        <Table
          caption={t("policies.texts")}
          rows={texts}
          rowKey={(text) => `${text.text}/${text.version}`}
          columns={[
            { key: "text", header: t("policies.text"), main: true, cell: (text) => <span class="mono">{text.text}</span> },
            { key: "version", header: t("policies.version"), cell: (text) => text.version },
            {
              key: "languages",
              header: t("policies.languages"),
              cell: (text) => text.languages.map((tag) => languageName(tag)).join(", "),
            },
            { key: "purpose", header: t("policies.purpose"), cell: (text) => text.purposes.map((one) => t(`purpose.${one}`)).join(", ") },
            {
              key: "status",
              header: t("policies.status"),
              cell: (text) => (
                <Badge kind={text.status === "adopted" ? "success" : "warning"}>{t(`policies.status.${text.status}`)}</Badge>
              ),
            },
          ]}
        />
      </div>
    </Card>
  );
}

export default function PoliciesPage(): JSX.Element {
  const policies = useResource((signal) => api.policies(signal), []);
  return (
    <Page title={t("policies.title")} intro={t("policies.intro")}>
      <Loaded of={policies} lines={6}>
        {(data) => (
          <div class="stack stack--loose">
            <Card title={t("policies.bundle")}>
              <Facts
                items={[
                  [t("policies.digest"), <span class="digest-line__value">{data.digest}</span>],
                  [t("policies.loaded_at"), formatDateTime(data.loaded_at)],
                  [t("policies.count"), String(data.files.length)],
                ]}
              />
            </Card>
            <ConsentTexts texts={data.consent_texts} />
            {KINDS.map((kind) => {
              const files = data.files.filter((file) => file.kind === kind);
              return (
                files.length > 0 && (
                  <Card key={kind} title={t(`policies.kind.${kind}`)}>
                    {files.map((file) => (
                      <File key={file.path} file={file} />
                    ))}
                  </Card>
                )
              );
            })}
          </div>
        )}
      </Loaded>
    </Page>
  );
}

// The first page: who invites, when, what happens to the person's data, and one big button.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { problemMessage } from "../../api/problem";
import type { InvitationPreview } from "../../api/types";
import { wakeAudio } from "../../call/sound";
import { t } from "../../messages";
import { formatMoment } from "../../messages/dates";
import { useAction } from "../../state/resource";
import { Button, Facts, Field, Icon, Notice, Page, type IconName } from "../../ui";
import { testId } from "../call/testId";

function Kept({ title, items, icon, id }: { title: string; items: readonly string[]; icon: IconName; id: string }): JSX.Element {
  return (
    <section class={`kept kept--${id}`} data-testid={id} aria-label={title}>
      <h3>{title}</h3>
      <ul>
        {items.map((item) => (
          <li key={item}>
            <Icon name={icon} size={18} />
            <span>{item}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

export function InvitationStep({ preview, onJoin }: {
  preview: InvitationPreview;
  onJoin: (code: string | null) => Promise<void>;
}): JSX.Element {
  const [code, setCode] = useState("");
  const join = useAction(() => onJoin(preview.code_required ? code.trim() : null));
  const notice = preview.data_notice;
  return (
    <Page
      title={t("join.invitation.title", { name: preview.practitioner_name })}
      intro={preview.clinic_name}
      width="narrow"
    >
      <div class="stack stack--loose" data-testid="invitation">
        <div class="stack">
          <Facts
            items={[
              [t("join.invitation.when"), <strong key="when">{formatMoment(preview.starts_at)}</strong>],
              preview.name_hint ? [t("join.invitation.for"), preview.name_hint] : null,
              preview.role === "patient" ? null : [t("join.invitation.role"), t(`role.${preview.role}`)],
            ]}
          />
          <p>{t("join.invitation.easy")}</p>
          {join.problem && <Notice kind="danger">{problemMessage(join.problem)}</Notice>}
          {preview.code_required && (
            <div data-testid="join-code">
              <Field
                label={t("join.code.label")}
                hint={t("join.code.hint")}
                value={code}
                onInput={setCode}
                inputmode="numeric"
                autocomplete="one-time-code"
                maxLength={12}
                required
              />
            </div>
          )}
          <Button
            variant="primary"
            size="large"
            wide
            class="join__big"
            busy={join.busy}
            buttonRef={testId("join-button")}
            onClick={() => {
              wakeAudio();
              void join.run();
            }}
          >
            {t("join.invitation.join")}
          </Button>
          <p class="small soft">
            {t("join.invitation.join_hint")} {t("join.invitation.single")}
          </p>
        </div>
        <section class="card stack" data-testid="data-notice">
          <h2 class="row">
            <Icon name="shield" size={24} /> {notice.title}
          </h2>
          {notice.paragraphs.map((paragraph) => (
            <p key={paragraph}>{paragraph}</p>
          ))}
          <div class="kept-grid">
            {notice.stored.length > 0 && (
              <Kept id="stored" title={t("join.data.stored")} items={notice.stored} icon="document" />
            )}
            {notice.not_stored.length > 0 && (
              <Kept id="not-stored" title={t("join.data.not_stored")} items={notice.not_stored} icon="close" />
            )}
          </div>
        </section>
      </div>
    </Page>
  );
}

// A link that was just made: the one time it is shown, with how to send it, and a ready message in the patient's language.
import type { JSX } from "preact";
import type { Consultation, Invitation } from "../../api/types";
import { LANGUAGES, t, tIn, type Language } from "../../messages";
import { formatDateTime } from "../../messages/dates";
import { clinicName } from "../../state/config";
import { Button, CopyField, toast } from "../../ui";

/** The message to paste, in the patient's language if we speak it. */
export function invitationMessage(consultation: Consultation, link: string): string {
  const base = consultation.patient?.language.toLowerCase().split("-")[0];
  const theirs: Language = LANGUAGES.find((language) => language === base) ?? "en";
  const params = { clinic: clinicName(), practitioner: consultation.practitioner.display_name, link };
  if (consultation.status !== "planned") return tIn(theirs, "link.message_now", params);
  const when = new Intl.DateTimeFormat(theirs, { dateStyle: "full", timeStyle: "short" }).format(
    new Date(consultation.starts_at),
  );
  return tIn(theirs, "link.message", { ...params, when });
}

export function FreshLink({ consultation, invitation }: { consultation: Consultation; invitation: Invitation }): JSX.Element | null {
  const { link } = invitation;
  if (link === undefined) return null;
  const copyMessage = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(invitationMessage(consultation, link));
      toast(t("link.message_copied"));
    } catch {
      toast(t("copy.failed"));
    }
  };
  return (
    <div class="fresh-link">
      <CopyField label={t("link.label")} value={link} copyLabel={t("link.copy")} />
      {invitation.code !== undefined && (
        <div class="fresh-link__code" data-testid="link-code">
          <p>{t("invite.code")}</p>
          <p class="fresh-link__digits numbers">{invitation.code}</p>
          <p class="soft small">{t("invite.code_hint")}</p>
        </div>
      )}
      <div class="row row--spread">
        <p class="soft small">{t("link.valid_until", { when: formatDateTime(invitation.expires_at) })}</p>
        <Button variant="quiet" icon="chat" onClick={() => void copyMessage()}>
          {t("link.copy_message")}
        </Button>
      </div>
      <div class="stack stack--tight">
        <p class="fresh-link__how">{t("link.how_title")}</p>
        <ol class="soft">
          <li>{t("link.how_1")}</li>
          <li>{t("link.how_2")}</li>
          <li>{t("link.how_3")}</li>
        </ol>
        <p class="soft">{t("link.once")}</p>
      </div>
    </div>
  );
}

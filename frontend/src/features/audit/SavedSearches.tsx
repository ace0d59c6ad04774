// The searches an auditor keeps: one press opens one, and any search can be kept under a name.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { api } from "../../api/client";
import type { SavedSearch } from "../../api/types";
import { t } from "../../messages";
import { useAction, useResource } from "../../state/resource";
import { Button, Dialog, Field, ProblemNotice, toast } from "../../ui";
import { fromSaved, toSaved, type SearchForm } from "./search-form";

export function SavedSearches({ form, onOpen }: { form: SearchForm; onOpen: (form: SearchForm) => void }): JSX.Element {
  const saved = useResource((signal) => api.savedSearches(signal), []);
  const [name, setName] = useState<string | null>(null);
  const keep = useAction(async () => {
    await api.saveSearch({ name: (name ?? "").trim(), ...toSaved(form) });
    setName(null);
    toast(t("audit.saved.done"));
    saved.reload();
  });
  const forget = useAction(async (one: SavedSearch) => {
    await api.forgetSearch(one.id);
    toast(t("audit.saved.forgotten", { name: one.name }));
    saved.reload();
  });
  const close = (): void => {
    setName(null);
    keep.clear();
  };
  return (
    <div class="row audit-saved" role="group" aria-label={t("audit.saved")}>
      {(saved.data ?? []).map((one) => (
        <span class="audit-saved__one" key={one.id}>
          <button type="button" class="audit-saved__open" onClick={() => onOpen(fromSaved(one))}>
            {one.name}
          </button>
          <Button variant="quiet" icon="close" label={t("audit.saved.forget", { name: one.name })} onClick={() => void forget.run(one)} />
        </span>
      ))}
      <Button variant="quiet" icon="plus" onClick={() => setName("")}>
        {t("audit.saved.keep")}
      </Button>
      {(saved.problem ?? forget.problem) && <ProblemNotice problem={(saved.problem ?? forget.problem)!} />}
      {name !== null && (
        <Dialog
          title={t("audit.saved.keep")}
          onClose={close}
          actions={
            <>
              <Button onClick={close}>{t("action.cancel")}</Button>
              <Button variant="primary" busy={keep.busy} onClick={() => void keep.run()}>
                {t("audit.saved.submit")}
              </Button>
            </>
          }
        >
          <Field
            label={t("audit.saved.name")}
            hint={t("audit.saved.hint")}
            value={name}
            onInput={setName}
            maxLength={80}
            error={keep.problem?.field("name") ? t("audit.saved.name_missing") : undefined}
            autofocus
          />
          {keep.problem && !keep.problem.field("name") && <ProblemNotice problem={keep.problem} />}
        </Dialog>
      )}
    </div>
  );
}

// The form of a search of the log.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { api } from "../../api/client";
import { t } from "../../messages";
import { focusFirstError } from "../../state/forms";
import { useResource } from "../../state/resource";
import { Button, Field, Select } from "../../ui";
import { PatientFilter } from "./PatientFilter";
import { SavedSearches } from "./SavedSearches";
import { AREAS, EMPTY_SEARCH, isBackwards, MARKS, PERIODS, type SearchForm } from "./search-form";

export function SearchFields({ form, setForm, busy, onSearch }: {
  form: SearchForm;
  setForm: (form: SearchForm) => void;
  busy: boolean;
  onSearch: (form: SearchForm) => void;
}): JSX.Element {
  const [tried, setTried] = useState(false);
  const people = useResource((signal) => api.users(signal), []);
  const set = <K extends keyof SearchForm>(field: K) => (value: SearchForm[K]): void => setForm({ ...form, [field]: value });
  const any = { value: "" as const, label: t("audit.search.any") };
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    setTried(true);
    if (isBackwards(form)) focusFirstError(event.currentTarget as HTMLFormElement);
    else onSearch(form);
  };
  return (
    <div class="stack">
      <SavedSearches form={form} onOpen={onSearch} />
      <form class="audit-search" role="search" onSubmit={submit} noValidate aria-label={t("audit.search.title")}>
        <div class="audit-search__text">
          <Field
            label={t("audit.search.text")}
            hint={t("audit.search.text_hint")}
            type="search"
            value={form.text}
            onInput={set("text")}
            maxLength={200}
            spellcheck={false}
          />
        </div>
        <Select
          label={t("audit.search.person")}
          value={form.person}
          onChange={set("person")}
          options={[any, ...(people.data ?? []).map((user) => ({ value: user.id, label: user.display_name }))]}
        />
        <PatientFilter chosen={form.only} onChoose={(only) => setForm({ ...form, only })} />
        <Select
          label={t("audit.search.area")}
          value={form.area}
          onChange={set("area")}
          options={[any, ...AREAS.map((value) => ({ value, label: t(`audit.area.${value}`) }))]}
        />
        <Select
          label={t("audit.search.action")}
          value={form.action}
          onChange={set("action")}
          options={[any, ...(["C", "R", "U", "D", "E"] as const).map((value) => ({ value, label: t(`audit.action.${value}`) }))]}
        />
        <Select
          label={t("audit.search.outcome")}
          value={form.outcome}
          onChange={set("outcome")}
          options={[any, ...(["success", "denied", "failure"] as const).map((value) => ({ value, label: t(`audit.outcome.${value}`) }))]}
        />
        <Select
          label={t("audit.search.unusual")}
          value={form.unusual}
          onChange={set("unusual")}
          options={[
            any,
            { value: "any", label: t("audit.mark.any") },
            ...MARKS.map((value) => ({ value, label: t(`audit.mark.${value}`) })),
          ]}
        />
        <Field label={t("audit.search.network")} value={form.network} onInput={set("network")} maxLength={64} spellcheck={false} />
        <Select
          label={t("audit.search.period")}
          value={form.period}
          onChange={set("period")}
          options={[
            { value: "any", label: t("audit.period.any") },
            ...PERIODS.map((value) => ({ value, label: t(`audit.period.${value}`) })),
            { value: "between", label: t("audit.period.between") },
          ]}
        />
        {form.period === "between" && (
          <>
            <Field label={t("audit.search.from")} type="datetime-local" value={form.from} onInput={set("from")} />
            <Field
              label={t("audit.search.to")}
              type="datetime-local"
              value={form.to}
              onInput={set("to")}
              error={tried && isBackwards(form) ? t("audit.search.range") : undefined}
            />
          </>
        )}
        <div class="audit-search__go">
          <Button variant="primary" icon="search" type="submit" busy={busy}>
            {t("audit.search.submit")}
          </Button>
          <Button
            variant="quiet"
            onClick={() => {
              setTried(false);
              onSearch(EMPTY_SEARCH);
            }}
          >
            {t("audit.search.clear")}
          </Button>
        </div>
      </form>
    </div>
  );
}

// Form fields: a label that stays, a hint, an error that is tied to its input. An error is words and an icon, never colour alone.
import type { ComponentChildren, JSX, Ref } from "preact";
import { useId } from "preact/hooks";
import { t } from "../messages";
import { Icon } from "./Icon";

interface FrameProps {
  label: string;
  hint?: ComponentChildren;
  error?: string | undefined;
  optional?: boolean;
  /** The label is there for screen readers only. */
  labelHidden?: boolean;
}

interface Described {
  id: string;
  "aria-describedby": string | undefined;
  "aria-invalid": boolean | undefined;
}

function Frame(props: FrameProps & { children: (described: Described) => ComponentChildren }): JSX.Element {
  const id = useId();
  const described = [props.hint ? `${id}-hint` : "", props.error ? `${id}-error` : ""].filter(Boolean).join(" ");
  return (
    <div class="field">
      <label class={props.labelHidden ? "quietly" : "field__label"} for={id}>
        {props.label}
        {props.optional && <span class="field__optional"> ({t("field.optional")})</span>}
      </label>
      {props.hint && (
        <span class="field__hint" id={`${id}-hint`}>
          {props.hint}
        </span>
      )}
      {props.children({ id, "aria-describedby": described || undefined, "aria-invalid": props.error ? true : undefined })}
      {props.error && (
        <span class="field__error" id={`${id}-error`}>
          <Icon name="alert" size={16} />
          {props.error}
        </span>
      )}
    </div>
  );
}

export interface FieldProps extends FrameProps {
  value: string;
  onInput: (value: string) => void;
  name?: string;
  type?: "text" | "password" | "search" | "date" | "time" | "datetime-local" | "tel" | "email";
  autocomplete?: string;
  required?: boolean;
  maxLength?: number;
  min?: string;
  max?: string;
  placeholder?: string;
  inputmode?: "text" | "numeric" | "tel" | "search";
  spellcheck?: boolean;
  autofocus?: boolean;
  inputRef?: Ref<HTMLInputElement>;
}

export function Field(props: FieldProps): JSX.Element {
  return (
    <Frame {...props}>
      {(described) => (
        <input
          {...described}
          class="input"
          ref={props.inputRef ?? null}
          name={props.name}
          {...({ type: props.type ?? "text" } as object) /* the element's types want one literal here */}
          value={props.value}
          onInput={(event) => props.onInput(event.currentTarget.value)}
          autocomplete={props.autocomplete ?? "off"}
          aria-required={props.required || undefined}
          maxLength={props.maxLength}
          min={props.min}
          max={props.max}
          placeholder={props.placeholder}
          inputmode={props.inputmode}
          spellcheck={props.spellcheck}
          autofocus={props.autofocus}
        />
      )}
    </Frame>
  );
}

export interface TextAreaProps extends FrameProps {
  value: string;
  onInput: (value: string) => void;
  rows?: number;
  maxLength?: number;
}

export function TextArea(props: TextAreaProps): JSX.Element {
  return (
    <Frame {...props}>
      {(described) => (
        <textarea
          {...described}
          class="input"
          rows={props.rows ?? 3}
          value={props.value}
          maxLength={props.maxLength}
          onInput={(event) => props.onInput(event.currentTarget.value)}
        />
      )}
    </Frame>
  );
}

export interface SelectProps<V extends string> extends FrameProps {
  value: V;
  onChange: (value: V) => void;
  options: readonly { value: V; label: string }[];
  disabled?: boolean;
}

export function Select<V extends string>(props: SelectProps<V>): JSX.Element {
  return (
    <Frame {...props}>
      {(described) => (
        <span class="select">
          <select
            {...described}
            class="input"
            value={props.value}
            disabled={props.disabled ?? false}
            onChange={(event) => props.onChange(event.currentTarget.value as V)}
          >
            {props.options.map((option) => (
              <option key={option.value} value={option.value}>
                {option.label}
              </option>
            ))}
          </select>
          <Icon name="chevron-down" size={18} />
        </span>
      )}
    </Frame>
  );
}

export function Checkbox(props: { label: ComponentChildren; checked: boolean; onChange: (checked: boolean) => void }): JSX.Element {
  return (
    <label class="check">
      <input type="checkbox" checked={props.checked} onChange={(event) => props.onChange(event.currentTarget.checked)} />
      <span>{props.label}</span>
    </label>
  );
}

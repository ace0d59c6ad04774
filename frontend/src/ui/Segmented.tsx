// A choice among few, all of them visible: radio buttons that look like one control.
import type { JSX } from "preact";
import { useId } from "preact/hooks";
import { Icon, type IconName } from "./Icon";

export interface SegmentedProps<V extends string> {
  /** What is chosen, for screen readers. */
  label: string;
  value: V;
  onChange: (value: V) => void;
  options: readonly { value: V; label: string; icon?: IconName; lang?: string }[];
  wide?: boolean;
}

export function Segmented<V extends string>({ label, value, onChange, options, wide }: SegmentedProps<V>): JSX.Element {
  const name = useId();
  return (
    <div role="radiogroup" aria-label={label} class={wide ? "segmented segmented--wide" : "segmented"}>
      {options.map((option) => (
        <label class="segmented__option" key={option.value} lang={option.lang}>
          <input
            type="radio"
            name={name}
            value={option.value}
            checked={option.value === value}
            onChange={() => onChange(option.value)}
          />
          <span>
            {option.icon && <Icon name={option.icon} size={18} />}
            {option.label}
          </span>
        </label>
      ))}
    </div>
  );
}

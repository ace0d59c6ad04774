// A text to copy, such as a patient's link. Where the clipboard is refused, the text is left selected.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { t } from "../messages";
import { Button } from "./Button";
import { announce, toast } from "./Toast";

export interface CopyFieldProps {
  label: string;
  value: string;
  /** The button's words; "Copy" unless told. */
  copyLabel?: string;
}

export function CopyField({ label, value, copyLabel }: CopyFieldProps): JSX.Element {
  const input = useRef<HTMLInputElement>(null);
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = window.setTimeout(() => setCopied(false), 3000);
    return () => window.clearTimeout(timer);
  }, [copied]);
  const copy = async (): Promise<void> => {
    input.current?.select();
    try {
      await navigator.clipboard.writeText(value);
      setCopied(true);
      announce(t("copy.done"));
    } catch {
      toast(t("copy.failed"));
    }
  };
  return (
    <div class="copy">
      <input
        ref={input}
        class="input"
        readOnly
        value={value}
        aria-label={label}
        onFocus={(event) => event.currentTarget.select()}
      />
      <Button variant="primary" icon={copied ? "check" : "copy"} onClick={() => void copy()}>
        {copied ? t("action.copied") : (copyLabel ?? t("action.copy"))}
      </Button>
    </div>
  );
}

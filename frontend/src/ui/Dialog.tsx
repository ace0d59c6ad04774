// A modal dialog on the native element: focus stays inside, Escape closes, and afterwards focus returns to where it was.
// Render it while it is open; it is gone when it is not rendered.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { t } from "../messages";
import { Button } from "./Button";
import { Notice } from "./Notice";
import { problemMessage, type Problem } from "../api/problem";

export interface DialogProps {
  title: string;
  onClose: () => void;
  /** Buttons at the bottom. */
  actions?: ComponentChildren;
  wide?: boolean;
  /** False for a question that must be answered: no close button, Escape does nothing. */
  dismissible?: boolean;
  children: ComponentChildren;
}

export function Dialog({ title, onClose, actions, wide, dismissible = true, children }: DialogProps): JSX.Element {
  const element = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  useEffect(() => {
    const before = document.activeElement;
    element.current?.showModal();
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={element}
      class={wide ? "dialog dialog--wide" : "dialog"}
      aria-labelledby={titleId}
      onCancel={(event) => {
        event.preventDefault(); // the parent decides, by no longer rendering it
        if (dismissible) onClose();
      }}
    >
      <div class="dialog__head">
        <h2 id={titleId}>{title}</h2>
        {dismissible && <Button variant="quiet" icon="close" label={t("action.close")} onClick={onClose} />}
      </div>
      <div class="dialog__body stack">{children}</div>
      {actions && <div class="dialog__actions">{actions}</div>}
    </dialog>
  );
}

export interface ConfirmProps {
  title: string;
  confirmLabel: string;
  /** The confirming button is red. */
  danger?: boolean;
  busy?: boolean;
  problem?: Problem | null;
  onConfirm: () => void;
  onClose: () => void;
  children: ComponentChildren;
}

/** Asks before something that cannot be undone. */
export function Confirm(props: ConfirmProps): JSX.Element {
  return (
    <Dialog
      title={props.title}
      onClose={props.onClose}
      actions={
        <>
          <Button onClick={props.onClose}>{t("action.cancel")}</Button>
          <Button variant={props.danger ? "danger" : "primary"} busy={props.busy ?? false} onClick={props.onConfirm}>
            {props.confirmLabel}
          </Button>
        </>
      }
    >
      {props.children}
      {props.problem && <Notice kind="danger">{problemMessage(props.problem)}</Notice>}
    </Dialog>
  );
}

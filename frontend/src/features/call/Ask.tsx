// A question before something that cannot be undone, with names for browser tests on both of its answers.
import type { ComponentChildren, JSX } from "preact";
import { problemMessage, type Problem } from "../../api/problem";
import { t } from "../../messages";
import { Button, Dialog, Notice } from "../../ui";
import { testId } from "./testId";

export interface AskProps {
  /** The dialog's test id; its answers are `<id>-yes` and `<id>-no`. */
  id: string;
  title: string;
  text: string;
  yes: string;
  busy?: boolean;
  problem?: Problem | null;
  onYes: () => void;
  onClose: () => void;
  children?: ComponentChildren;
}

export function Ask(props: AskProps): JSX.Element {
  return (
    <Dialog
      title={props.title}
      onClose={props.onClose}
      actions={
        <>
          <Button buttonRef={testId(`${props.id}-no`)} onClick={props.onClose}>
            {t("action.cancel")}
          </Button>
          <Button variant="danger" busy={props.busy ?? false} buttonRef={testId(`${props.id}-yes`)} onClick={props.onYes}>
            {props.yes}
          </Button>
        </>
      }
    >
      <p data-testid={props.id}>{props.text}</p>
      {props.children}
      {props.problem && <Notice kind="danger">{problemMessage(props.problem)}</Notice>}
    </Dialog>
  );
}

// Nothing here yet: says why and what to do about it.
import type { ComponentChildren, JSX } from "preact";
import { Icon, type IconName } from "./Icon";

export interface EmptyStateProps {
  icon: IconName;
  title: string;
  action?: ComponentChildren;
  children?: ComponentChildren;
}

export function EmptyState({ icon, title, action, children }: EmptyStateProps): JSX.Element {
  return (
    <div class="empty">
      <span class="empty__icon">
        <Icon name={icon} size={26} />
      </span>
      <h2>{title}</h2>
      {children && <p>{children}</p>}
      {action}
    </div>
  );
}

// A surface that holds one subject.
import type { ComponentChildren, JSX } from "preact";
import { useId } from "preact/hooks";

export interface CardProps {
  title?: ComponentChildren;
  intro?: ComponentChildren;
  /** At the right of the title. */
  actions?: ComponentChildren;
  class?: string;
  children: ComponentChildren;
}

export function Card({ title, intro, actions, class: className, children }: CardProps): JSX.Element {
  const id = useId();
  const classes = className ? `card ${className}` : "card";
  if (title === undefined) return <div class={classes}>{children}</div>;
  return (
    <section class={classes} aria-labelledby={id}>
      <div class="card__head">
        <div>
          <h2 id={id}>{title}</h2>
          {intro && <p class="card__intro">{intro}</p>}
        </div>
        {actions}
      </div>
      {children}
    </section>
  );
}

/** Label and value pairs. */
export function Facts({ items }: { items: readonly (readonly [string, ComponentChildren] | null)[] }): JSX.Element {
  return (
    <dl class="facts">
      {items.map(
        (item) =>
          item && (
            <>
              <dt key={item[0]}>{item[0]}</dt>
              <dd>{item[1]}</dd>
            </>
          ),
      )}
    </dl>
  );
}

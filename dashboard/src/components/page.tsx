import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";

export interface Crumb {
  label: string;
  href: string;
}

interface Props {
  title: string;
  /** What the h1 shows where that is more than the title. */
  heading?: ComponentChildren;
  crumbs?: readonly Crumb[];
  /** Beside the heading: badges. */
  aside?: ComponentChildren;
  actions?: ComponentChildren;
  children: ComponentChildren;
}

/** The frame of a screen: document title, breadcrumbs, heading, actions, content. */
export function Page({ title, heading, crumbs, aside, actions, children }: Props) {
  useEffect(() => {
    document.title = `${title} · oxmq`;
  }, [title]);
  return (
    <div class="page">
      <header class="page-head">
        <div class="grow">
          {crumbs && (
            <nav class="crumbs" aria-label="Breadcrumb">
              {crumbs.map((crumb) => (
                <a key={crumb.href} href={crumb.href}>
                  {crumb.label}
                </a>
              ))}
            </nav>
          )}
          <div class="row">
            <h1>{heading ?? title}</h1>
            {aside}
          </div>
        </div>
        {actions && <div class="row">{actions}</div>}
      </header>
      {children}
    </div>
  );
}

interface CardProps {
  title?: ComponentChildren;
  actions?: ComponentChildren;
  children: ComponentChildren;
  /** No inner margin: for tables and charts that reach the edges. */
  flush?: boolean;
  class?: string;
}

export function Card({ title, actions, children, flush, class: className }: CardProps) {
  return (
    <section class={`card ${flush ? "flush" : ""} ${className ?? ""}`}>
      {title && (
        <header class="card-head">
          <h2 class="grow">{title}</h2>
          {actions}
        </header>
      )}
      {children}
    </section>
  );
}

/** A number with its name. */
export function Figure(props: {
  label: string;
  children: ComponentChildren;
  note?: ComponentChildren;
  href?: string;
  tone?: "danger" | "warning";
}) {
  const value = <span class={`figure-value number ${props.tone ? `${props.tone}-text` : ""}`}>{props.children}</span>;
  return (
    <div class="figure">
      <dt>{props.label}</dt>
      <dd>
        {props.href ? <a href={props.href}>{value}</a> : value}
        {props.note && <span class="figure-note">{props.note}</span>}
      </dd>
    </div>
  );
}

/** Names and values, one a line. */
export function Facts({ facts }: { facts: readonly { label: string; value: ComponentChildren }[] }) {
  return (
    <dl class="facts">
      {facts.map(({ label, value }) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

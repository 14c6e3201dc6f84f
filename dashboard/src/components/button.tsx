import { type IconNode, LoaderCircle } from "lucide";
import type { ButtonHTMLAttributes, ComponentChildren, TargetedMouseEvent } from "preact";
import { Icon } from "./icon";

export type ButtonKind = "plain" | "primary" | "danger" | "quiet";

interface Props {
  children?: ComponentChildren;
  kind?: ButtonKind;
  icon?: IconNode;
  small?: boolean;
  /** Under way: shows a spinner and takes no further click. */
  busy?: boolean;
  disabled?: boolean;
  /** Why it cannot be used. Giving a reason disables the button and tells the reason on hover and to screen readers. */
  reason?: string;
  type?: "button" | "submit";
  form?: string;
  class?: string;
  autofocus?: boolean;
  onClick?: (event: TargetedMouseEvent<HTMLButtonElement>) => void;
}

export function Button(props: Props) {
  const { kind = "plain", icon, small, busy, disabled, reason, type = "button", children, onClick } = props;
  const blocked = Boolean(disabled || busy || reason);
  return (
    <button
      type={type}
      form={props.form}
      autofocus={props.autofocus}
      class={`button ${kind} ${small ? "small-control" : ""} ${props.class ?? ""}`}
      aria-disabled={blocked || undefined}
      aria-busy={busy || undefined}
      title={reason}
      onClick={(event) => {
        if (blocked) event.preventDefault();
        else onClick?.(event);
      }}
    >
      {busy ? <Icon icon={LoaderCircle} class="spin" /> : icon && <Icon icon={icon} />}
      {children}
      {reason && <span class="visually-hidden">({reason})</span>}
    </button>
  );
}

interface IconButtonProps extends Omit<ButtonHTMLAttributes, "icon" | "label"> {
  icon: IconNode;
  label: string;
}

export function IconButton({ icon, label, class: className, ...rest }: IconButtonProps) {
  return (
    <button type="button" {...rest} class={`icon-button ${className ?? ""}`} aria-label={label} title={label}>
      <Icon icon={icon} />
    </button>
  );
}

/** A link that looks like a button. */
export function LinkButton(props: {
  href: string;
  kind?: ButtonKind;
  icon?: IconNode;
  small?: boolean;
  children: ComponentChildren;
}) {
  return (
    <a class={`button ${props.kind ?? "plain"} ${props.small ? "small-control" : ""}`} href={props.href}>
      {props.icon && <Icon icon={props.icon} />}
      {props.children}
    </a>
  );
}

import { CircleAlert, type IconNode, Inbox, RotateCw } from "lucide";
import type { ComponentChildren } from "preact";
import { Button } from "./button";
import { Icon } from "./icon";

/** Nothing to show: says why, and what to do where there is something. */
export function Empty({
  title,
  children,
  icon = Inbox,
}: {
  title: string;
  children?: ComponentChildren;
  icon?: IconNode;
}) {
  return (
    <div class="empty">
      <Icon icon={icon} size={28} />
      <p class="empty-title">{title}</p>
      {children && <div class="quiet small">{children}</div>}
    </div>
  );
}

/** An error in words, with a way to try again. */
export function ErrorBox({ error, retry }: { error: Error; retry?: () => void }) {
  return (
    <div class="error-box" role="alert">
      <Icon icon={CircleAlert} />
      <p class="grow">{error.message}</p>
      {retry && (
        <Button small icon={RotateCw} onClick={retry}>
          Try again
        </Button>
      )}
    </div>
  );
}

/** Grey bars in the place of rows that are on their way. */
export function Loading({ rows = 4 }: { rows?: number }) {
  return (
    <div class="loading" role="status">
      <span class="visually-hidden">Loading</span>
      {Array.from({ length: rows }, (_, index) => (
        <div key={index} class="loading-bar" />
      ))}
    </div>
  );
}

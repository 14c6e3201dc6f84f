import { ChevronLeft, ChevronRight, ChevronsLeft } from "lucide";
import type { ComponentChildren } from "preact";
import { Button } from "./button";

interface Props {
  /** Where this page begins; null on the first. */
  cursor: string | null;
  /** Where the next page begins; null at the end. */
  next: string | null;
  onGo: (cursor: string | null) => void;
  busy?: boolean;
  children?: ComponentChildren;
}

/** Pages by cursor: to the first, one back (as the browser does it), one on. */
export function Pager({ cursor, next, onGo, busy, children }: Props) {
  if (cursor === null && next === null && !children) return null;
  return (
    <nav class="pager" aria-label="Pages">
      <span class="grow quiet small">{children}</span>
      {cursor !== null && (
        <>
          <Button small icon={ChevronsLeft} onClick={() => onGo(null)}>
            First
          </Button>
          <Button small icon={ChevronLeft} onClick={() => history.back()}>
            Back
          </Button>
        </>
      )}
      {(cursor !== null || next !== null) && (
        <Button small busy={busy} disabled={next === null} onClick={() => onGo(next)} icon={ChevronRight}>
          Next
        </Button>
      )}
    </nav>
  );
}

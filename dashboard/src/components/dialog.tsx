import { X } from "lucide";
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { IconButton } from "./button";

interface Props {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
  /** Buttons, shown at the lower edge. */
  footer?: ComponentChildren;
  wide?: boolean;
  /** False while something is under way that closing would lose. */
  closable?: boolean;
  class?: string;
}

/** A modal dialog: render it to open it. The browser keeps the focus inside and gives it back at the end. */
export function Dialog({ title, onClose, children, footer, wide, closable = true, class: className }: Props) {
  const element = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => {
    const dialog = element.current;
    const before = document.activeElement;
    dialog?.showModal();
    return () => {
      dialog?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={element}
      class={`dialog ${wide ? "wide" : ""} ${className ?? ""}`}
      aria-labelledby={heading}
      onCancel={(event) => {
        event.preventDefault();
        if (closable) onClose();
      }}
      onMouseDown={(event) => closable && event.target === element.current && onClose()}
    >
      <div class="dialog-box">
        <header class="dialog-head">
          <h2 id={heading}>{title}</h2>
          {closable && <IconButton icon={X} label="Close" onClick={onClose} />}
        </header>
        <div class="dialog-body">{children}</div>
        {footer && <footer class="dialog-foot">{footer}</footer>}
      </div>
    </dialog>
  );
}

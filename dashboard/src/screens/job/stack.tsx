import { useMemo, useState } from "preact/hooks";

import { plural } from "../../format";
import { partsOf, type StackPart } from "./trace";

/** A stack trace whose library frames are folded and whose own frames stand out. */
export function Stack({ trace, label }: { trace: string; label: string }) {
  const parts = useMemo(() => partsOf(trace), [trace]);
  return (
    <div class="trace" tabIndex={0} role="region" aria-label={label}>
      {parts.map((part, index) => <Part key={index} part={part} />)}
    </div>
  );
}

function Part({ part }: { part: StackPart }) {
  const [open, setOpen] = useState(false);
  const text = part.lines.join("\n");
  if (part.kind !== "library") return <pre class={`trace-${part.kind}`}>{text}</pre>;
  return (
    <>
      <button type="button" class="trace-fold" aria-expanded={open} onClick={() => setOpen(!open)}>
        {plural(part.frames, "library frame")}
      </button>
      {open && <pre class="trace-library">{text}</pre>}
    </>
  );
}

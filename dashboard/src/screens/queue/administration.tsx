import { BrushCleaning, CircleFadingArrowUp, Ellipsis, Gauge, PaintBucket, RotateCcw, Trash2 } from "lucide";
import { useState } from "preact/hooks";
import type { Queue } from "../../api/types";
import { Icon } from "../../components/icon";
import { Menu, type MenuItem } from "../../components/menu";
import { refusal } from "../../session";
import { CleanDialog } from "./clean";
import { LimitsDialog } from "./limits";
import { DrainDialog, ObliterateDialog, PromoteDialog, RetryFailedDialog } from "./sweeps";

type Open = "limits" | "retry" | "promote" | "clean" | "drain" | "obliterate" | null;

/** What concerns a whole queue, behind one menu: each opens a dialog that states its scope. */
export function AdministrationMenu({ queue, changed }: { queue: Queue; changed: (queue: Queue) => void }) {
  const [open, setOpen] = useState<Open>(null);
  const close = () => setOpen(null);
  const operator = refusal("operator");
  const admin = refusal("admin");
  const items: (MenuItem | "line")[] = [
    { label: "Limits…", icon: Gauge, reason: admin, run: () => setOpen("limits") },
    { label: "Retry failed jobs…", icon: RotateCcw, reason: operator, run: () => setOpen("retry") },
    { label: "Run delayed jobs now…", icon: CircleFadingArrowUp, reason: operator, run: () => setOpen("promote") },
    "line",
    { label: "Clean…", icon: BrushCleaning, reason: admin, run: () => setOpen("clean") },
    { label: "Drain…", icon: PaintBucket, danger: true, reason: admin, run: () => setOpen("drain") },
    { label: "Obliterate…", icon: Trash2, danger: true, reason: admin, run: () => setOpen("obliterate") },
  ];
  return (
    <>
      <Menu label="Administration" items={items} class="button plain">
        <Icon icon={Ellipsis} />
      </Menu>
      {open === "limits" && <LimitsDialog queue={queue} changed={changed} onClose={close} />}
      {open === "retry" && <RetryFailedDialog queue={queue} onClose={close} />}
      {open === "promote" && <PromoteDialog queue={queue} onClose={close} />}
      {open === "clean" && <CleanDialog queue={queue} onClose={close} />}
      {open === "drain" && <DrainDialog queue={queue} onClose={close} />}
      {open === "obliterate" && <ObliterateDialog queue={queue} onClose={close} />}
    </>
  );
}

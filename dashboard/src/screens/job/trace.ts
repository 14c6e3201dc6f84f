/** Take a stack trace apart: whose frames they are, and which say nothing about the reader's own code. */

export type StackPart =
  | { readonly kind: "text"; readonly lines: readonly string[] }
  | { readonly kind: "own"; readonly lines: readonly string[] }
  | { readonly kind: "library"; readonly lines: readonly string[]; readonly frames: number };

const PYTHON_FRAME = /^\s*File "(.+?)", line \d+/;
const NODE_FRAME = /^\s*at\s.+/;
const LIBRARY =
  /site-packages|dist-packages|node_modules|node:internal|\bnode:|<frozen |[\\/]lib[\\/]python\d|[\\/]src[\\/]oxmq[\\/]|\(native\)|<anonymous>/;

/** Return the parts of a trace in order; library frames that follow each other are one part. */
export function partsOf(trace: string): StackPart[] {
  const parts: StackPart[] = [];
  let frame: "own" | "library" | null = null;
  for (const line of trace.replace(/\s+$/, "").split("\n")) {
    const started = frameOf(line);
    if (started) add(parts, started, line, true);
    else if (frame && isBelowFrame(line)) add(parts, frame, line, false);
    else add(parts, "text", line, false);
    frame = started ?? (frame && isBelowFrame(line) ? frame : null);
  }
  return parts;
}

function frameOf(line: string): "own" | "library" | null {
  if (!PYTHON_FRAME.test(line) && !NODE_FRAME.test(line)) return null;
  return LIBRARY.test(line) ? "library" : "own";
}

/** The source line and the marks that Python writes below a frame are indented deeper than the frame. */
function isBelowFrame(line: string): boolean {
  return /^\s{4,}\S/.test(line) || /^\s*\[Previous line repeated/.test(line);
}

function add(parts: StackPart[], kind: StackPart["kind"], line: string, started: boolean): void {
  const last = parts[parts.length - 1];
  const joins = last?.kind === kind;
  const lines = joins ? [...last.lines, line] : [line];
  const frames = (joins && last.kind === "library" ? last.frames : 0) + (started ? 1 : 0);
  const part: StackPart = kind === "library" ? { kind, lines, frames } : { kind, lines };
  if (joins) parts[parts.length - 1] = part;
  else parts.push(part);
}

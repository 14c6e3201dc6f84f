import type { Suggestions } from "../../api/types";

/** What can be typed into the search field of a jobs list, and what the field suggests while it is typed. */
export interface SearchToken {
  text: string;
  meaning: string;
}

export const TOKENS: readonly SearchToken[] = [
  { text: "name:", meaning: "Name of the job" },
  { text: "id:", meaning: "Id of the job" },
  { text: "data.", meaning: "A field of the data: data.user.id:42" },
  { text: "result.", meaning: "A field of the result: result.ok:true" },
  { text: "error:", meaning: 'Text of the error: error:"time out"' },
  { text: "worker:", meaning: "The worker that runs or ran it" },
  { text: "attempt:", meaning: "Attempts made: attempt:>2" },
  { text: "age:", meaning: "Time since it was added: age:>1h" },
  { text: "priority:", meaning: "Priority: priority:<5" },
  { text: "schedule:", meaning: "Made by this schedule" },
  { text: "fingerprint:", meaning: "Failed in the same way" },
];

const VALUES: Record<string, readonly SearchToken[]> = {
  "attempt:": [
    { text: "attempt:>1", meaning: "Tried more than once" },
    { text: "attempt:>2", meaning: "Tried more than twice" },
  ],
  "age:": [
    { text: "age:>10m", meaning: "Added more than 10 minutes ago" },
    { text: "age:>1h", meaning: "Added more than an hour ago" },
    { text: "age:>1d", meaning: "Added more than a day ago" },
    { text: "age:<10m", meaning: "Added in the last 10 minutes" },
  ],
};

const AT_MOST = 12;

/** The word at `caret`: words end at spaces that are not inside quotes. */
export function wordAt(text: string, caret: number): { start: number; end: number; word: string } {
  let start = 0;
  let quoted = false;
  for (let index = 0; index < caret; index += 1) {
    if (text[index] === '"') quoted = !quoted;
    else if (text[index] === " " && !quoted) start = index + 1;
  }
  let end = caret;
  while (end < text.length && (quoted || text[end] !== " ")) end += 1;
  return { start, end, word: text.slice(start, end) };
}

/** What the word that is being typed may become. */
export function suggest(word: string, known: Suggestions): SearchToken[] {
  const candidates = [...TOKENS, ...fromQueue(word, known), ...(VALUES[word.slice(0, word.indexOf(":") + 1)] ?? [])];
  const typed = word.toLowerCase();
  return candidates.filter(({ text }) => text.toLowerCase().startsWith(typed) && text !== word).slice(0, AT_MOST);
}

function fromQueue(word: string, known: Suggestions): SearchToken[] {
  const values = (token: string, all: readonly string[], meaning: string) =>
    word.startsWith(token) ? all.map((value) => ({ text: token + quoted(value), meaning })) : [];
  return [
    ...values("name:", known.names, "In this list"),
    ...values("worker:", known.workers, "In this list"),
    ...(word.startsWith("data.")
      ? known.data_keys.map((key) => ({ text: `${dataToken(key)}:`, meaning: "In this list" }))
      : []),
  ];
}

function dataToken(key: string): string {
  return key.startsWith("data.") ? key : `data.${key}`;
}

function quoted(value: string): string {
  return /[\s"]/.test(value) ? `"${value.replaceAll('"', "")}"` : value;
}

/** `text` with the word at `caret` replaced, and where the caret then is. A finished word gets a space after it. */
export function complete(text: string, caret: number, replacement: string): { text: string; caret: number } {
  const { start, end } = wordAt(text, caret);
  const space = /[:.]$/.test(replacement) ? "" : " ";
  const rest = text.slice(end).trimStart();
  const head = text.slice(0, start) + replacement + space;
  return { text: head + rest, caret: head.length };
}

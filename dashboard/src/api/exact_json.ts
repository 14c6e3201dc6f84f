/**
 * Read and write JSON without losing digits.
 *
 * A JavaScript number keeps 53 bits. Job data comes from Python, where an integer has any length, so a number that a
 * JavaScript number would change is kept as the text it was written in.
 */

/** A number that a JavaScript number cannot hold, as it was written. */
export class ExactNumber {
  readonly source: string;

  constructor(source: string) {
    this.source = source;
  }

  toString(): string {
    return this.source;
  }

  /** Let a plain JSON.stringify show the digits (as a string); `stringifyExact` writes them as a number. */
  toJSON(): string {
    return this.source;
  }
}

export type Json = null | boolean | number | string | ExactNumber | Json[] | { [key: string]: Json };

const MAYBE_INEXACT = /\d{16}|\d[eE]|\d\.\d{15}/;
const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** Parse JSON text; numbers that would lose digits become `ExactNumber`. Throws `SyntaxError` as JSON.parse does. */
export function parseExact(text: string): Json {
  if (!MAYBE_INEXACT.test(text)) return JSON.parse(text) as Json;
  JSON.parse(text); // The marks below must not turn broken text into good text, nor move the place of an error.
  const mark = `\u0000${unguessable()}:`;
  const marked = text.replace(TOKEN, (token) =>
    token.startsWith('"') || isExact(token) ? token : JSON.stringify(mark + token),
  );
  return JSON.parse(marked, (_key, value: unknown) =>
    typeof value === "string" && value.startsWith(mark) ? new ExactNumber(value.slice(mark.length)) : value,
  ) as Json;
}

/** Write JSON text with each `ExactNumber` as the number it stands for. `indent` is the number of spaces a level. */
export function stringifyExact(value: unknown, indent = 0): string {
  const numbers: string[] = [];
  const mark = `\u0001${unguessable()}:`;
  const text = JSON.stringify(
    value,
    function (this: unknown, key: string, shown: unknown) {
      const held = (this as Record<string, unknown>)[key];
      return held instanceof ExactNumber ? mark + String(numbers.push(held.source) - 1) : shown;
    },
    indent,
  );
  if (text === undefined) return "null";
  if (numbers.length === 0) return text;
  const written = new RegExp(`"${JSON.stringify(mark).slice(1, -1).replace(/\\/g, "\\\\")}(\\d+)"`, "g");
  return text.replace(written, (_all, index: string) => numbers[Number(index)] ?? "null");
}

/** Tell whether the number written as `token` survives as a JavaScript number: value kept, digits may be normalised. */
function isExact(token: string): boolean {
  const value = Number(token);
  if (!Number.isFinite(value)) return false;
  if (/^-?\d+$/.test(token)) return Number.isSafeInteger(value);
  return significant(token) === significant(String(value));
}

/** Return the digits that carry the value, without sign, point, exponent and zeros at the ends. */
function significant(token: string): string {
  const mantissa = token.split(/[eE]/)[0] ?? "";
  return mantissa.replace(/[-.]/g, "").replace(/^0+/, "").replace(/0+$/, "");
}

/** Return a mark that stored data cannot hold by intent. (`crypto.randomUUID` is missing on plain HTTP.) */
function unguessable(): string {
  return crypto.getRandomValues(new Uint32Array(3)).join("-");
}

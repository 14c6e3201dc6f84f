import assert from "node:assert/strict";
import { test } from "node:test";
import { complete, suggest, wordAt } from "../src/screens/jobs/search_words.ts";

const known = { names: ["resize", "two words"], workers: ["w1"], data_keys: ["user.id"] };
const texts = (word: string) => suggest(word, known).map(({ text }) => text);

test("the word at the caret ends at spaces outside of quotes", () => {
  assert.equal(wordAt("name:a error:b", 3).word, "name:a");
  assert.equal(wordAt("name:a error:b", 14).word, "error:b");
  assert.equal(wordAt('error:"time out" x', 12).word.startsWith('error:"time out"'), true);
});

test("tokens, values of the queue and fields of the data are suggested", () => {
  assert.deepEqual(texts("na"), ["name:"]);
  assert.deepEqual(texts("name:r"), ["name:resize"]);
  assert.deepEqual(texts("name:"), ["name:resize", 'name:"two words"']);
  assert.deepEqual(texts("data."), ["data.user.id:"]);
  assert.deepEqual(texts("xyz"), []);
});

test("a finished word gets a space after it, an unfinished one does not", () => {
  assert.deepEqual(complete("na", 2, "name:"), { text: "name:", caret: 5 });
  assert.deepEqual(complete("name:r age:>1h", 6, "name:resize"), { text: "name:resize age:>1h", caret: 12 });
});

/**
 * Write TypeScript types from an OpenAPI document: `node types.mjs DOCUMENT OUTPUT`, two files.
 * Only the schemas are kept: which address answers with what is plain from the calls.
 */
import { readFile, writeFile } from "node:fs/promises";
import openapiTS, { astToString } from "openapi-typescript";

const [document, output] = process.argv.slice(2);
const { openapi, info, components } = JSON.parse(await readFile(document, "utf8"));
const schemas = Object.fromEntries(Object.entries(components.schemas).map(([name, schema]) => [name, plain(schema)]));
const types = await openapiTS({ openapi, info, paths: {}, components: { schemas } });
const head = "/** The schemas of the HTTP API. Written by `make types`: do not edit. */\n\n";
await writeFile(output, head + astToString(types));

/** A schema without titles, descriptions and examples: they are the server's, and would only repeat names here. */
function plain(schema, name = "") {
  if (Array.isArray(schema)) return schema.map((item) => plain(item));
  if (typeof schema !== "object" || schema === null) return schema;
  const kept = Object.entries(schema).filter(([key, value]) => name === "properties" || !isProse(key, value));
  return Object.fromEntries(kept.map(([key, value]) => [key, plain(value, key)]));
}

function isProse(key, value) {
  return ["title", "description", "example", "examples"].includes(key) && typeof value !== "boolean";
}

// Writes the messages' types from the protocol's JSON Schema: node tools/types.mjs SCHEMA [FILE]
// Without FILE, to standard output.

import { readFileSync, writeFileSync } from "node:fs";

const [schemaPath, filePath] = process.argv.slice(2);
const schema = JSON.parse(readFileSync(schemaPath, "utf8"));
const definitions = schema.$defs;
const FROM_CLIENT = ["Start", "Watch", "Finish", "Missing"];
const messages = schema.oneOf.map((entry) => nameOf(entry));
const fromServer = messages.filter((name) => !FROM_CLIENT.includes(name));
const complete = reachable(fromServer);

const parts = [
  "// Generated from the protocol's JSON Schema by tools/types.mjs (npm run types). Do not edit.",
  ...Object.keys(definitions).map(definition),
  `/** What a client sends. */\nexport type ClientMessage = ${FROM_CLIENT.join(" | ")};`,
  `/** What the server sends. */\nexport type ServerMessage =\n  | ${fromServer.map(wide).join("\n  | ")};`,
  `/** The types of those, by which newer ones are told apart and left out. */
export const SERVER_TYPES: readonly string[] = [
${fromServer.map((name) => `  ${type(definitions[name].properties.type)},`).join("\n")}
];`,
];
const text = parts.join("\n\n") + "\n";
if (filePath === undefined) process.stdout.write(text);
else writeFileSync(filePath, text);

function definition(name) {
  const { description, properties, required = [] } = definitions[name];
  const lines = Object.entries(properties).map(([field, value]) => {
    // The server writes every field; a client may leave out what has a default.
    const optional = complete.has(name) || required.includes(field) ? "" : "?";
    const note = value.description ? `${comment(value.description, "  ")}\n` : "";
    return `${note}  ${field}${optional}: ${type(value)};`;
  });
  return `${comment(description, "")}\nexport interface ${wide(name)} {\n${lines.join("\n")}\n}`;
}

function type(value) {
  if (value.$ref) return wide(nameOf(value));
  if ("const" in value) return JSON.stringify(value.const);
  if (value.enum) return value.enum.map((option) => JSON.stringify(option)).join(" | ");
  if (value.anyOf) return value.anyOf.map(type).join(" | ");
  if (value.type === "array") {
    const item = type(value.items);
    return `readonly ${item.includes("|") ? `(${item})` : item}[]`;
  }
  if (value.type === "object") {
    return `Readonly<Record<string, ${type(value.additionalProperties)}>>`;
  }
  const scalars = {
    string: "string", integer: "number", number: "number", boolean: "boolean", null: "null",
  };
  if (!(value.type in scalars)) throw new Error(`no type for ${JSON.stringify(value)}`);
  return scalars[value.type];
}

function comment(given, indent) {
  const words = given.replaceAll("``", "`").replaceAll("*/", "* /").split(" ");
  const lines = [""];
  for (const word of words) {
    const last = lines[lines.length - 1];
    if (last !== "" && indent.length + 3 + last.length + 1 + word.length > 97) lines.push(word);
    else lines[lines.length - 1] = last === "" ? word : `${last} ${word}`;
  }
  if (lines.length === 1) return `${indent}/** ${lines[0]} */`;
  return `${indent}/**\n${lines.map((line) => `${indent} * ${line}`).join("\n")}\n${indent} */`;
}

function reachable(names) {
  const found = new Set();
  const waiting = [...names];
  while (waiting.length > 0) {
    const name = waiting.pop();
    if (found.has(name)) continue;
    found.add(name);
    for (const [, inner] of JSON.stringify(definitions[name]).matchAll(/#\/\$defs\/(\w+)/g)) {
      waiting.push(inner);
    }
  }
  return found;
}

function nameOf(reference) {
  return reference.$ref.split("/").pop();
}

// `Error` is JavaScript's own.
function wide(name) {
  return name === "Error" ? "ErrorMessage" : name;
}

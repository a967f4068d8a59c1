// Loads each schema that is named, in ajv's strict mode; prints what it has against each.
import { readFileSync } from "node:fs";
import Ajv2020 from "ajv/dist/2020.js";

const complaints = {};
for (const path of process.argv.slice(2)) {
  try {
    new Ajv2020.default({ strict: true }).compile(JSON.parse(readFileSync(path, "utf8")));
  } catch (error) {
    complaints[path] = error.message;
  }
}
console.log(JSON.stringify(complaints));

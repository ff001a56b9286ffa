/** Run the audits of graphql-http, which test the GraphQL over HTTP specification. */

import { serverAudits } from "graphql-http";

import { url } from "./journey.ts";

const results = await Promise.all(serverAudits({ url }).map((audit) => audit.fn()));
const failed = results.filter((result) => result.status !== "ok");
for (const { id, name, reason } of failed) console.error(`${id} ${name}: ${reason}`);
console.log(`${results.length - failed.length} of ${results.length} audits`);
process.exitCode = failed.length || !results.length ? 1 : 0;

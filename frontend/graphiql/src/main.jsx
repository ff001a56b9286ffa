// The page's one module: GraphiQL with its explorer, ready to mount. What is Lavka's own (example tabs, the
// endpoint) is passed in by lavka.js, which Django serves as it is: changing an example needs no build.
import { explorerPlugin } from "@graphiql/plugin-explorer";
import { HISTORY_PLUGIN } from "@graphiql/plugin-history";
import { GraphiQL } from "graphiql";
import { createRoot } from "react-dom/client";

import "graphiql/style.css";
import "@graphiql/plugin-explorer/style.css";

const PLUGINS = [explorerPlugin(), HISTORY_PLUGIN];
const WORKERS = { json: "json.worker.js", graphql: "graphql.worker.js" };

globalThis.MonacoEnvironment = {
  getWorker: (_id, label) => new Worker(new URL(WORKERS[label] ?? "editor.worker.js", import.meta.url)),
};

/**
 * Show GraphiQL in `element`.
 *
 * `props` are GraphiQL's own (`fetcher`, `defaultTabs`, ...); `name` replaces the logo.
 */
export function mount(element, { name, ...props }) {
  createRoot(element).render(
    <GraphiQL plugins={PLUGINS} {...props}>
      <GraphiQL.Logo>{name}</GraphiQL.Logo>
    </GraphiQL>,
  );
}

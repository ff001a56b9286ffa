// Bundles GraphiQL, Monaco and its three workers into the static files that Django serves.
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const HERE = path.dirname(fileURLToPath(import.meta.url));
const OUT = path.resolve(HERE, "../../backend/core/static/graphiql/vendor");
const require = createRequire(import.meta.url);

const COMMON = {
  absWorkingDir: HERE,
  bundle: true,
  minify: true,
  charset: "utf8",
  target: "es2022",
  legalComments: "none",
  metafile: true,
  // The same plugin again as CommonJS, whose names a dynamic import would not see.
  alias: { "prettier/parser-graphql": "prettier/plugins/graphql" },
  define: { "process.env.NODE_ENV": '"production"' },
  logLevel: "warning",
};

const WEB_FONTS = /@font-face\s*\{[^}]*font-family:\s*"?(Roboto|Fira Code)[^}]*\}/g;

const adapted = {
  name: "adapted",
  setup({ onLoad, onResolve }) {
    // graphiql/style.css already holds Monaco's rules; its modules import them a second time.
    onLoad({ filter: /monaco-editor[\\/].*\.css$/ }, () => ({ loader: "empty", contents: "" }));
    // 400 kB of embedded Roboto and Fira Code; the system has fonts (see lavka.css).
    onLoad({ filter: /graphiql[\\/]dist[\\/]style\.css$/ }, async ({ path: file }) => ({
      contents: (await readFile(file, "utf8")).replaceAll(WEB_FONTS, ""),
      loader: "css",
    }));
    // Icons are titled, for screen readers, by the names of their functions, which minifying would change.
    onLoad({ filter: /graphiql[\\/]react[\\/]dist[\\/]icons[\\/]index\.js$/ }, async ({ path: file }) => ({
      contents: (await readFile(file, "utf8"))
        .replaceAll(/generateIcon\((Svg\w+)\)/g, 'generateIcon($1, "$1")')
        .replace("generateIcon(RawComponent)", "generateIcon(RawComponent, name)")
        .replaceAll("RawComponent.name", "name"),
    }));
    onResolve({ filter: /^prettier\// }, ({ importer }) =>
      /jsonc\.js$/.test(importer) ? { path: path.join(HERE, "src/jsonc-format.js") } : undefined,
    );
  },
};

/** The licence of every package whose code is in the bundles; packages with the same text share it. */
async function licences(metafiles) {
  const folders = new Set();
  for (const { inputs } of metafiles) {
    for (const input of Object.keys(inputs)) {
      const folder = input.match(/^.*node_modules\/(?:@[^/]+\/)?[^/]+/)?.[0];
      if (folder) folders.add(folder);
    }
  }
  const packages = new Map();
  for (const folder of [...folders].sort()) {
    const { name, version, license } = JSON.parse(await readFile(path.join(HERE, folder, "package.json"), "utf8"));
    const files = (await readdir(path.join(HERE, folder))).filter((file) =>
      /^(licen[cs]e|notice|thirdpartynotices)/i.test(file),
    );
    const parts = await Promise.all(files.sort().map((file) => readFile(path.join(HERE, folder, file), "utf8")));
    const text = parts.join("\n").replace(/[ \t\r]+$/gm, "").trim() || "(the package names its licence, without a text)";
    packages.set(text, [...(packages.get(text) ?? []), `${name} ${version} (${license})`]);
  }
  return [...packages].map(([text, names]) => `${names.join("\n")}\n\n${text}\n`).join(`\n${"-".repeat(80)}\n\n`);
}

await rm(OUT, { recursive: true, force: true });
const page = await build({
  ...COMMON,
  entryPoints: { graphiql: "src/main.jsx" },
  outdir: OUT,
  format: "esm",
  splitting: true,
  jsx: "automatic",
  chunkNames: "chunk-[hash]",
  plugins: [adapted],
});
const workers = await build({
  ...COMMON,
  entryPoints: {
    "editor.worker": require.resolve("monaco-editor/esm/vs/editor/editor.worker.js"),
    "graphql.worker": require.resolve("monaco-graphql/esm/graphql.worker.js"),
    "json.worker": require.resolve("monaco-editor/esm/vs/language/json/json.worker.js"),
  },
  outdir: OUT,
  format: "iife",
});
await writeFile(path.join(OUT, "LICENCES.txt"), await licences([page.metafile, workers.metafile]));
if (process.env.METAFILE) await writeFile(process.env.METAFILE, JSON.stringify(page.metafile));

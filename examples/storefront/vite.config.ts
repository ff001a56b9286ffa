import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";

import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

/** Write the licences of the bundled packages beside the bundle; packages with the same text share it. */
function licences(): Plugin {
  return {
    name: "licences",
    generateBundle(_, bundle) {
      const folders = new Set<string>();
      for (const chunk of Object.values(bundle)) {
        if (chunk.type !== "chunk") continue;
        for (const id of chunk.moduleIds) {
          const folder = id.match(/^\0?(.*node_modules\/(?:@[^/]+\/)?[^/]+)/)?.[1];
          if (folder && existsSync(path.join(folder, "package.json"))) folders.add(folder);
        }
      }
      const packages = new Map<string, string[]>();
      for (const folder of [...folders].toSorted()) {
        const { name, version, license } = JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8"));
        const files = readdirSync(folder).filter((file) => /^(licen[cs]e|notice)/i.test(file));
        const texts = files.toSorted().map((file) => readFileSync(path.join(folder, file), "utf8"));
        const text = texts.join("\n").replace(/[ \t\r]+$/gm, "").trim() || "(the package has no licence text)";
        packages.set(text, [...(packages.get(text) ?? []), `${name} ${version} (${license})`]);
      }
      const source = [...packages].map(([text, names]) => `${names.join("\n")}\n\n${text}\n`);
      this.emitFile({ type: "asset", fileName: "LICENCES.txt", source: source.join(`\n${"-".repeat(80)}\n\n`) });
    },
  };
}

const shop = process.env.SHOP_URL ?? "http://localhost:8000";

export default defineConfig(({ command }) => ({
  base: command === "build" ? "/static/storefront/" : "/",
  plugins: [react(), licences()],
  build: {
    outDir: "../../backend/core/static/storefront",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: { proxy: { "/graphql": shop, "/media": shop } },
}));

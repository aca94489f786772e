// Writes dist/: the extension in one file, its licences, those of the packages in it.
// With "test": dist/test/, what `node --test` runs.

import { copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const options = { bundle: true, platform: "node", format: "cjs", target: "node20" };
process.chdir(fileURLToPath(new URL("..", import.meta.url)));

if (process.argv[2] === "test") {
  rmSync("dist/test", { recursive: true, force: true });
  const tests = readdirSync("test").map((name) => path.join("test", name));
  await build({ ...options, entryPoints: tests, outdir: "dist/test" });
} else {
  const { metafile } = await build({
    ...options,
    entryPoints: ["src/extension.ts"],
    outfile: "dist/extension.js",
    external: ["vscode"],
    minify: true,
    metafile: true,
  });
  const inPackage = /^node_modules\/(?:@[^/]+\/)?[^/]+/;
  const folders = Object.keys(metafile.inputs).map((file) => inPackage.exec(file)?.[0]);
  const packages = [...new Set(folders)].filter(Boolean).sort();
  writeFileSync("dist/THIRD-PARTY.txt", packages.map(licence).join("\n"));
  const root = path.join("..", "..");
  for (const name of readdirSync(root).filter((each) => each.startsWith("LICENSE"))) {
    copyFileSync(path.join(root, name), path.join("dist", name));
  }
}

function licence(folder) {
  const { name, version } = JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8"));
  const file = readdirSync(folder).find((each) => /^licen[sc]e/i.test(each));
  if (file === undefined) throw new Error(`${name} has no licence file`);
  return `${name} ${version}\n\n${readFileSync(path.join(folder, file), "utf8").trim()}\n`;
}

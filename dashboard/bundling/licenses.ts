import { readdir, readFile } from "node:fs/promises";
import { join, sep } from "node:path";
import type { Plugin } from "vite";

/** Write licenses.txt: name, version and licence text of each package of which code is in the bundle. */
export function licenses(): Plugin {
  return {
    name: "oxmq-licenses",
    apply: "build",
    async generateBundle(_options, bundle) {
      const folders = new Set<string>();
      for (const chunk of Object.values(bundle)) {
        if (chunk.type !== "chunk") continue;
        for (const id of chunk.moduleIds) {
          const folder = packageFolder(id);
          if (folder) folders.add(folder);
        }
      }
      const notices = await Promise.all([...folders].sort().map(notice));
      const head = "The dashboard of oxmq contains code of these packages.\n\n";
      this.emitFile({ type: "asset", fileName: "licenses.txt", source: head + notices.join("\n\n") + "\n" });
    },
  };
}

function packageFolder(id: string): string | null {
  const path = id.split(/[/\\]/);
  const at = path.lastIndexOf("node_modules");
  const name = path[at + 1];
  if (at < 0 || !name) return null;
  return path.slice(0, at + (name.startsWith("@") ? 3 : 2)).join(sep);
}

async function notice(folder: string): Promise<string> {
  const about = JSON.parse(await readFile(join(folder, "package.json"), "utf8")) as {
    name: string;
    version: string;
    license?: string;
  };
  const file = (await readdir(folder)).find((name) => /^licen[cs]e/i.test(name));
  const text = file ? (await readFile(join(folder, file), "utf8")).trim() : "";
  return `${"=".repeat(80)}\n${about.name} ${about.version} (${about.license ?? "see text"})\n\n${text}`;
}

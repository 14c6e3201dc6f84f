import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import type { Plugin } from "vite";

const COMPRESSED = /\.(js|css|html|svg|txt|json)$/;
const SMALLEST_WORTHWHILE = 512;

/**
 * Write `<file>.br` and `<file>.gz` beside each text file of the bundle, so that the server never compresses.
 * index.html is left out: the server writes the base path into it at request time.
 */
export function compress(): Plugin {
  let outDir = "";
  return {
    name: "oxmq-compress",
    apply: "build",
    configResolved(config) {
      outDir = config.build.outDir;
    },
    async closeBundle() {
      for (const name of await readdir(outDir, { recursive: true })) {
        if (!COMPRESSED.test(name) || name === "index.html") continue;
        const path = join(outDir, name);
        const body = await readFile(path);
        if (body.length < SMALLEST_WORTHWHILE) continue;
        const brotli = {
          params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: body.length },
        };
        await writeFile(`${path}.br`, brotliCompressSync(body, brotli));
        await writeFile(`${path}.gz`, gzipSync(body, { level: 9 }));
      }
    },
  };
}

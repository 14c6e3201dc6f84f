import { defineConfig, type Plugin } from "vite";
import { compress } from "./bundling/compress.ts";
import { licenses } from "./bundling/licenses.ts";

/** The address of an `oxmq web` that the development server passes API calls on to. */
const server = process.env["OXMQ_WEB"] ?? "http://127.0.0.1:6967";

/** The built page keeps the marker `__BASE__`: the server fills it in. Vite's own server is always at "/". */
const baseInDevelopment: Plugin = {
  name: "oxmq-base",
  apply: "serve",
  transformIndexHtml: (html) => html.replace("__BASE__", "/"),
};

export default defineConfig({
  base: "./",
  plugins: [baseInDevelopment, licenses(), compress()],
  build: {
    outDir: process.env["OXMQ_DASHBOARD_OUT"] ?? "../src/oxmq/web/dashboard",
    emptyOutDir: true,
    target: "es2022",
    cssTarget: ["chrome123", "firefox120", "safari17.5"], // the first with light-dark()
    assetsInlineLimit: 0,
    cssCodeSplit: true,
    sourcemap: false,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: { proxy: { "/api": server, "/metrics": server, "/health": server } },
});

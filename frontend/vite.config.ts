// The build. Invariant: what comes out obeys a policy without any inline script, inline style or data URI font, so nothing is
// inlined into the page and every asset has a hashed name that may be cached for ever.
import { defineConfig } from "vite";

export default defineConfig({
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "dist",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
  },
  server: {
    // `npm run dev` speaks to a server that runs beside it.
    proxy: { "/api": { target: "http://localhost:8080", ws: true } },
  },
});

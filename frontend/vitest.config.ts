// Unit tests run in plain Node: what they test is free of the DOM on purpose.
import { defineConfig } from "vitest/config";

export default defineConfig({
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  test: { environment: "node", include: ["src/**/*.test.ts"], css: true },
});

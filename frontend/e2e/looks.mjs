// How a page looks: on a phone, a tablet and a desk, light and dark. No finding of axe-core, nothing that scrolls sideways, one main
// heading, a title, a language and no complaint in the console.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const SIZES = [[320, 640], [820, 1100], [1440, 900]];
const THEMES = ["light", "dark"];

/** What was found so far. */
export const findings = [];

/** Runs in the page. Evaluated by the debugger, so that the page's own policy against foreign scripts stays as it is. */
async function inspect() {
  await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
  const { violations } = await globalThis.axe.run(document, { resultTypes: ["violations"], elementRef: false, rules: { "label-content-name-mismatch": { enabled: true } } });
  const root = document.documentElement;
  return {
    violations: violations.map((v) => `${v.id}: ${v.nodes.map((node) => `${node.target} ${node.failureSummary}`).join(" | ")}`),
    sideways: root.scrollWidth > root.clientWidth ? `${root.scrollWidth} px of ${root.clientWidth} px` : null,
    headings: [...document.querySelectorAll("h1")].filter((h1) => h1.textContent.trim() !== "").length,
    language: root.lang,
    title: document.title,
  };
}

/** Looks at what the page shows now at every size and in both themes. */
export async function everywhere({ page, trouble }, name, language = "en") {
  if (!(await page.evaluate(() => "axe" in globalThis))) await page.evaluate(AXE);
  for (const [width, height] of SIZES) {
    await page.setViewportSize({ width, height });
    for (const colorScheme of THEMES) {
      const where = `${name} at ${width}×${height}, ${colorScheme}, ${language}`;
      await page.emulateMedia({ colorScheme });
      const found = await page.evaluate(inspect);
      if (process.env.PICTURES) await page.screenshot({ path: join(process.env.PICTURES, `${name}-${width}-${colorScheme}-${language}.png`), fullPage: true });
      findings.push(...found.violations.map((violation) => `${where}: ${violation}`));
      if (found.sideways) findings.push(`${where}: scrolls sideways, ${found.sideways}`);
      if (found.headings !== 1) findings.push(`${where}: ${found.headings} main headings`);
      if (found.language !== language) findings.push(`${where}: says to be in ${found.language}`);
      if (!/\S.* · \S/.test(found.title)) findings.push(`${where}: its title is “${found.title}”`);
    }
  }
  findings.push(...trouble.splice(0).map((words) => `${name}, ${language}, in the console: ${words}`));
}

// The pages of the demo in a headless Chromium, against the demo itself.
//
//   npm ci && node test.mjs [part of a test's name]
//
// DEMO=path       the demo's binary (../../target/release/demo)
// CHROMIUM=path   the browser (/usr/bin/chromium)
// ALLOW_SKIP=1    without that browser: skip, and exit with 0

import { accessSync, constants } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { Demo } from './demo.mjs';
import { Tabs } from './tabs.mjs';
import { chatTests } from './chat.mjs';
import { socketTests } from './sockets.mjs';
import { tickerTests } from './ticker.mjs';
import { tlsTests } from './tls.mjs';
import { shots } from './shots.mjs';

const TEST_LIMIT = 90_000; // ms for one test
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const DEMO = process.env.DEMO ?? fileURLToPath(new URL('../../target/release/demo', import.meta.url));
const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'];

process.exitCode = await main();

async function main() {
  if (!isExecutable(CHROMIUM)) {
    const allowed = process.env.ALLOW_SKIP === '1';
    console.log(allowed ? `skipped: no Chromium at ${CHROMIUM}` : `no Chromium at ${CHROMIUM}: install it, set CHROMIUM, or set ALLOW_SKIP=1`);
    return allowed ? 0 : 1;
  }
  if (!isExecutable(DEMO)) {
    console.log(`no demo at ${DEMO}: run "cargo build --release" first, or set DEMO`);
    return 1;
  }
  const demo = await Demo.start(DEMO);
  let browser = null;
  let passed = 0;
  let failed = 0;
  try {
    browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS, timeout: 60_000 });
    for (const [name, test] of [...socketTests, ...chatTests, ...tickerTests, ...tlsTests, ...shots]) {
      if (!name.includes(process.argv[2] ?? '')) continue;
      if (await passes(name, test, new Tabs(browser, demo), demo)) passed += 1;
      else failed += 1;
    }
  } finally {
    await browser?.close();
    await demo.stop();
  }
  console.log(`${passed} passed, ${failed} failed`);
  return failed || !passed ? 1 : 0;
}

async function passes(name, test, tabs, demo) {
  try {
    await withDeadline(test(tabs, demo), TEST_LIMIT);
    tabs.assertQuiet();
    console.log(`ok ${name}`);
    return true;
  } catch (error) {
    console.log(`FAILED ${name}\n    ${String(error.stack ?? error).replaceAll('\n', '\n    ')}`);
    await demo.restore();
    return false;
  } finally {
    await tabs.close();
  }
}

function isExecutable(path) {
  try { accessSync(path, constants.X_OK); return true; } catch { return false; }
}

async function withDeadline(work, limit) {
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`not done after ${limit} ms`)), limit); });
  try { await Promise.race([work, late]); } finally { clearTimeout(timer); }
}

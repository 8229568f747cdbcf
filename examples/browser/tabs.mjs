// Tabs of the browser, each in a context of its own, watched for errors.

import assert from 'node:assert/strict';

const WAIT_LIMIT = 15_000; // ms for every wait of a page

/** What Chromium itself says, and no page can keep it from saying, while a server is away. */
const OFFLINE = /WebSocket connection to 'ws:[^']+' failed/;
const OFFLINE_ICON = /Failed to load resource: net::ERR_/; // it asks for a tab's icon some time after the page has loaded

export class Tabs {
  #browser; #demo; #contexts = []; #errors = [];
  #offlineAllowed = false;

  constructor(browser, demo) {
    this.#browser = browser;
    this.#demo = demo;
  }

  /** Tabs for another server. */
  of(demo) { return new Tabs(this.#browser, demo); }

  /** From here on the server may be away: failed connections are expected on the console. */
  allowOffline() { this.#offlineAllowed = true; }

  assertQuiet() { assert.deepEqual(this.#errors, [], 'errors on the console or of a page'); }

  /** Opens `path`; `texts` of the returned page are the texts that its WebSocket received. */
  async open(path, { onSocket = () => {}, ...options } = {}) {
    const context = await this.#browser.newContext({ viewport: { width: 1200, height: 760 }, locale: 'en-GB', ...options });
    this.#contexts.push(context);
    context.setDefaultTimeout(WAIT_LIMIT);
    const page = await context.newPage();
    page.texts = [];
    page.on('websocket', onSocket);
    page.on('websocket', (socket) => socket.on('framereceived', ({ payload }) => page.texts.push(String(payload))));
    page.on('pageerror', (error) => this.#errors.push(`${path}: ${error.stack ?? error}`));
    page.on('console', (message) => {
      if (message.type() !== 'error' && message.type() !== 'warning') return;
      if (this.#offlineAllowed && isOffline(message)) return;
      this.#errors.push(`${path}: ${message.text()} (${message.location().url})`);
    });
    page.on('response', (response) => {
      if (response.status() >= 400) this.#errors.push(`${path}: ${response.status()} for ${response.url()}`);
    });
    page.on('request', (request) => {
      if (!request.url().startsWith(this.#demo.origin)) this.#errors.push(`${path}: outside resource ${request.url()}`);
    });
    await page.goto(this.#demo.origin + path);
    return page;
  }

  /** A tab in the chat's lobby. */
  async chat(name, options) {
    const page = await this.open('/chat', options);
    await page.getByLabel('Your name').fill(name);
    await page.getByRole('button', { name: 'Join', exact: true }).click();
    await connected(page);
    await page.locator('#composer:enabled').waitFor();
    return page;
  }

  async close() {
    for (const context of this.#contexts) await context.close();
  }
}

export async function connected(page) {
  await page.locator('#connection[data-state="open"]').waitFor();
}

/** Sends `text` by the chat's message field. */
export async function say(page, text) {
  await page.locator('#composer').fill(text);
  await page.locator('#composer').press('Enter');
}

/** Waits for a chat message with exactly this text; returns its line. */
export async function hears(page, sender, text) {
  await page.waitForFunction(([sender, text]) => [...document.querySelectorAll('#log .line')]
    .some((line) => line.querySelector('.sender').textContent === sender && line.querySelector('.text').textContent === text), [sender, text]);
}

export function systemLine(page, text) {
  return page.locator('#log .system', { hasText: text }).last();
}

/** Waits until `check()`, in this process, is true. */
export async function until(what, check) {
  const deadline = Date.now() + WAIT_LIMIT;
  while (!check()) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ${WAIT_LIMIT} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function isOffline(message) {
  return OFFLINE.test(message.text()) || (OFFLINE_ICON.test(message.text()) && message.location().url.endsWith('/assets/favicon.svg'));
}

// The same pages and sockets through TLS.

import assert from 'node:assert/strict';
import { hears, say } from './tabs.mjs';

/** The certificate vouches for itself: a person would click through the warning. */
const TRUSTING = { ignoreHTTPSErrors: true };

async function overTls(tabs, demo, test) {
  const secure = await demo.another('--tls-self-signed');
  const there = tabs.of(secure);
  try {
    await test(there, secure);
    there.assertQuiet();
  } finally {
    await there.close();
    await secure.stop();
  }
}

export const tlsTests = [
  ['chat and stocks over wss', (tabs, demo) => overTls(tabs, demo, async (tabs, secure) => {
    const ada = await tabs.chat('ada', TRUSTING);
    const bob = await tabs.chat('bob', TRUSTING);
    assert.equal(await ada.evaluate(() => location.protocol), 'https:');
    await say(ada, 'over TLS 🔒');
    await hears(bob, 'ada', 'over TLS 🔒');
    const sockets = [];
    const stocks = await tabs.open('/stocks', { ...TRUSTING, onSocket: (socket) => sockets.push(socket.url()) });
    await stocks.waitForFunction(() => document.querySelector('#connection[data-state="open"]'));
    assert.ok(sockets.length > 0 && sockets.every((url) => url.startsWith(secure.origin.replace('https:', 'wss:'))), String(sockets));
  })],

  ['/echo over wss: many small messages, a large one, a clean close', (tabs, demo) => overTls(tabs, demo, async (tabs) => {
    const page = await tabs.open('/', TRUSTING);
    const result = await page.evaluate(() => new Promise((resolve, reject) => {
      const COUNT = 5000;
      const LARGE = 5_000_000;
      let heard = 0;
      let intact = false;
      const socket = new WebSocket('/echo');
      socket.binaryType = 'arraybuffer';
      socket.onopen = () => {
        for (let i = 0; i < COUNT; i += 1) socket.send(String(i));
        socket.send(new Uint8Array(LARGE).map((_, i) => i % 251));
      };
      socket.onmessage = ({ data }) => {
        if (heard < COUNT) {
          if (data !== String(heard)) reject(new Error(`${data} instead of ${heard}`));
          heard += 1;
        } else {
          intact = data.byteLength === LARGE && new Uint8Array(data).every((byte, i) => byte === i % 251);
          socket.close(1000);
        }
      };
      socket.onclose = ({ code, wasClean }) => resolve({ url: socket.url.slice(0, 6), heard, intact, code, wasClean });
      setTimeout(() => reject(new Error(`only ${heard} messages`)), 60_000);
    }));
    assert.deepEqual(result, { url: 'wss://', heard: 5000, intact: true, code: 1000, wasClean: true });
  })],

  ['a browser refuses the self-signed certificate unless told otherwise', (tabs, demo) => overTls(tabs, demo, async (tabs) => {
    await assert.rejects(tabs.open('/'), /ERR_CERT_AUTHORITY_INVALID/);
  })],
];

// Plain WebSockets, as a program in a page of the person's own would use them.

import assert from 'node:assert/strict';

export const socketTests = [
  ['a plain WebSocket joins the chat and speaks', async (tabs) => {
    const page = await tabs.open('/');
    const heard = await page.evaluate(() => new Promise((resolve, reject) => {
      const heard = [];
      const socket = new WebSocket('/chat');
      socket.onopen = () => {
        socket.send(JSON.stringify({ type: 'join', username: 'plain' }));
        socket.send(JSON.stringify({ type: 'message', username: 'plain', text: 'Hello 🦀' }));
      };
      socket.onmessage = ({ data }) => {
        heard.push(JSON.parse(data));
        if (heard.length === 2) { socket.close(1000); resolve(heard); }
      };
      socket.onerror = () => reject(new Error('failed'));
      setTimeout(() => reject(new Error(JSON.stringify(heard))), 10_000);
    }));
    assert.deepEqual(heard, [
      { type: 'join', username: 'plain' },
      { type: 'message', username: 'plain', text: 'Hello 🦀' },
    ]);
  }],

  ['a plain WebSocket subscribes to stocks', async (tabs) => {
    const page = await tabs.open('/');
    const quotes = await page.evaluate(() => new Promise((resolve, reject) => {
      const quotes = [];
      const socket = new WebSocket('/stocks');
      socket.onopen = () => socket.send(JSON.stringify({ action: 'subscribe', symbols: ['AAPL', 'TSLA'] }));
      socket.onmessage = ({ data }) => {
        quotes.push(JSON.parse(data));
        if (quotes.length === 8) { socket.close(1000); resolve(quotes); }
      };
      socket.onerror = () => reject(new Error('failed'));
      setTimeout(() => reject(new Error(JSON.stringify(quotes))), 20_000);
    }));
    for (const quote of quotes) {
      assert.equal(quote.type, 'quote');
      assert.ok(['AAPL', 'TSLA'].includes(quote.symbol), quote.symbol);
      assert.ok(quote.price > 0);
      assert.equal(typeof quote.change, 'number');
      assert.ok(Number.isInteger(quote.volume));
    }
  }],

  ['/api answers ping with pong and echoes the rest', async (tabs) => {
    const page = await tabs.open('/');
    const heard = await page.evaluate(() => new Promise((resolve, reject) => {
      const heard = [];
      const socket = new WebSocket('/api');
      socket.onopen = () => { socket.send('ping'); socket.send('pint'); };
      socket.onmessage = ({ data }) => { heard.push(data); if (heard.length === 2) { socket.close(1000); resolve(heard); } };
      socket.onerror = () => reject(new Error('failed'));
      setTimeout(() => reject(new Error(JSON.stringify(heard))), 10_000);
    }));
    assert.deepEqual(heard, ['pong', 'pint']);
  }],

  ['/echo selects echo.v1, echoes text and binary, closes cleanly', async (tabs) => {
    const page = await tabs.open('/');
    const result = await page.evaluate(() => new Promise((resolve, reject) => {
      const heard = [];
      const socket = new WebSocket('/echo', ['unknown', 'echo.v1']);
      socket.binaryType = 'arraybuffer';
      socket.onopen = () => { socket.send('Grüße 🦀'); socket.send(new Uint8Array(1_000_000).fill(7)); };
      socket.onmessage = ({ data }) => {
        heard.push(typeof data === 'string' ? data : [data.byteLength, new Uint8Array(data).every((byte) => byte === 7)]);
        if (heard.length === 2) socket.close(3000, 'enough');
      };
      socket.onclose = ({ code, wasClean }) => resolve({ protocol: socket.protocol, heard, code, wasClean });
      setTimeout(() => reject(new Error(JSON.stringify(heard))), 10_000);
    }));
    assert.deepEqual(result, { protocol: 'echo.v1', heard: ['Grüße 🦀', [1_000_000, true]], code: 3000, wasClean: true });
  }],

  ['a page that closes with a code and a reason sees both in its close event', async (tabs) => {
    const page = await tabs.open('/');
    for (const path of ['/chat', '/stocks', '/echo', '/api']) {
      const closed = await page.evaluate((path) => new Promise((resolve, reject) => {
        const socket = new WebSocket(path);
        socket.onopen = () => socket.close(1000, 'Client closing');
        socket.onclose = ({ code, reason, wasClean }) => resolve({ code, reason, wasClean });
        setTimeout(() => reject(new Error('no close event')), 10_000);
      }), path);
      assert.deepEqual(closed, { code: 1000, reason: 'Client closing', wasClean: true }, path);
    }
  }],
];

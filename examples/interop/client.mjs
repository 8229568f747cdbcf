// Node's ws as a client of the demo: `node client.mjs ws://HOST:PORT PID`. PID is the demo's; the last case ends it.

import { once } from 'node:events';
import WebSocket from 'ws';

const CASE_LIMIT = 15_000; // ms
const MIB = 1 << 20;
const [, , url, demo] = process.argv;

const cases = {
  'text': () => echoes('hello, añ🦀'),
  'empty text': () => echoes(''),
  'binary': () => echoes(Buffer.from(Array.from({ length: 256 }, (_, i) => i))),
  '1 MiB of text': () => echoes('ß'.repeat(MIB / 2)),
  '1 MiB of binary': () => echoes(pattern(MIB)),
  'fragments of a text, a code point cut, a Ping in between': async () => {
    const text = Buffer.from('one two añ🦀 three');
    const ws = await open();
    const ponged = once(ws, 'pong');
    ws.send(text.subarray(0, 4), { binary: false, fin: false });
    ws.send(text.subarray(4, 13), { binary: false, fin: false });
    ws.ping('in between');
    ws.send(text.subarray(13), { binary: false, fin: true });
    equal(await next(ws), text.toString());
    equal(String((await ponged)[0]), 'in between');
    await close(ws, 1000, '');
  },
  'fragments of a binary message': async () => {
    const ws = await open();
    for (const [i, fin] of [[0, false], [1, false], [2, true]]) ws.send(pattern(70_000).subarray(i * 30_000, (i + 1) * 30_000), { fin });
    equal(await next(ws), pattern(70_000));
    await close(ws, 1000, '');
  },
  'many messages keep their order': async () => {
    const ws = await open();
    const all = new Promise((resolve) => {
      const seen = [];
      ws.on('message', (data) => { seen.push(String(data)); if (seen.length === 1000) resolve(seen.join()); });
    });
    const sent = Array.from({ length: 1000 }, (_, i) => `message ${i}`);
    for (const message of sent) ws.send(message);
    equal(await all, sent.join());
    await close(ws, 1000, '');
  },
  'a Ping gets its Pong': async () => {
    const ws = await open();
    const ponged = once(ws, 'pong');
    ws.ping(pattern(125));
    equal((await ponged)[0], pattern(125));
    await close(ws, 1000, '');
  },
  'subprotocol': async () => {
    const ws = await open('/echo', ['other', 'echo.v1']);
    equal(ws.protocol, 'echo.v1');
    await close(ws, 1000, '');
  },
  'a subprotocol that the demo does not know': async () => {
    const error = await open('/echo', ['other']).then(() => null, (error) => error);
    equal(error?.message, 'Server sent no subprotocol');
  },
  'a path that the demo does not know': async () => {
    const error = await open('/nowhere').then(() => null, (error) => error);
    equal(error?.message, 'Unexpected server response: 404');
  },
  'a foreign Origin': async () => {
    const error = await open('/echo', [], { origin: 'http://evil.example' }).then(() => null, (error) => error);
    equal(error?.message, 'Unexpected server response: 403');
  },
  ...Object.fromEntries([1000, 1001, 3000, 4999].map((code) => [`Close ${code} comes back`, async () => {
    await close(await open(), code, `bye ${code}`);
  }])),
  'Close without status comes back': async () => {
    const ws = await open();
    const closed = once(ws, 'close');
    ws.close();
    equal((await closed)[0], 1005);
  },
  'not UTF-8 is answered with Close 1007': async () => {
    const ws = await open();
    ws.on('error', () => {});
    const closed = once(ws, 'close');
    ws.send(Buffer.from([0x61, 0xff]), { binary: false });
    equal((await closed)[0], 1007);
  },
  'Close 1001 when the demo ends': async () => {
    const ws = await open();
    const closed = once(ws, 'close');
    process.kill(Number(demo), 'SIGTERM');
    equal((await closed)[0], 1001);
  },
};

for (const [name, test] of Object.entries(cases)) {
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(reject, CASE_LIMIT, new Error(`not done after ${CASE_LIMIT} ms`)); });
  try {
    await Promise.race([test(), late]);
    console.log(`ok ws client: ${name}`);
  } catch (error) {
    console.log(`FAILED ws client: ${name}: ${error.message}`);
    process.exitCode = 1;
  }
  clearTimeout(timer);
}
process.exit();

async function open(path = '/echo', subprotocols = [], options = {}) {
  const ws = new WebSocket(url + path, subprotocols, options);
  await once(ws, 'open');
  return ws;
}

async function echoes(message) {
  const ws = await open();
  ws.send(message);
  equal(await next(ws), message);
  await close(ws, 1000, '');
}

/** The next message: a string or a Buffer. */
async function next(ws) {
  const [data, isBinary] = await once(ws, 'message');
  return isBinary ? data : data.toString();
}

/** Closes and expects the code back. */
async function close(ws, code, reason) {
  const closed = once(ws, 'close');
  ws.close(code, reason);
  equal((await closed)[0], code);
}

function pattern(length) {
  return Buffer.from(Array.from({ length }, (_, i) => (i * 31 + (i >> 8)) & 0xff));
}

function equal(actual, expected) {
  const same = Buffer.isBuffer(expected) ? Buffer.isBuffer(actual) && actual.equals(expected) : actual === expected;
  const show = (value) => (value?.length > 80 ? `${typeof value} of ${value.length}` : JSON.stringify(value));
  if (!same) throw new Error(`${show(actual)} instead of ${show(expected)}`);
}

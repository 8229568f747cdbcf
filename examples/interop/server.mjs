// Node's ws as a server for `interop-dial` and wsc: `server.mjs [CERTIFICATE KEY]`, over TLS with these. The first line of output is the
// port. What its paths do is in interop-dial.

import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import WebSocket, { WebSocketServer } from 'ws';

const holds = new Map(); // id → how that connection was closed, or who waits to know

const [cert, key] = process.argv.slice(2).map((file) => readFileSync(file));
const listener = cert ? https.createServer({ cert, key }) : http.createServer();
const server = new WebSocketServer({
  server: listener,
  handleProtocols: (offered) => (offered.has('echo.v1') ? 'echo.v1' : false),
});
listener.listen(0, '127.0.0.1', () => console.log(listener.address().port));

server.on('connection', (ws, request) => {
  const [, what, argument] = request.url.split('/');
  ws.on('error', () => {});
  if (what === 'echo') ws.on('message', (data, binary) => ws.send(data, { binary }));
  else if (what === 'fragments') sendFragments(ws);
  else if (what === 'ping') ping(ws);
  else if (what === 'close') argument === 'none' ? ws.close() : ws.close(Number(argument), `bye ${argument}`);
  else if (what === 'hold') ws.on('close', (code, reason) => closed(argument, `${code} ${reason}`));
  else if (what === 'held') whenClosed(argument, (how) => { if (ws.readyState === WebSocket.OPEN) ws.send(how); });
  else ws.close(1008, `unknown path ${request.url}`);
});

function sendFragments(ws) {
  const text = Buffer.from('one two añ🦀 three');
  ws.send(text.subarray(0, 4), { binary: false, fin: false });
  ws.send(text.subarray(4, 13), { binary: false, fin: false });
  ws.ping('in between');
  ws.send(text.subarray(13), { binary: false, fin: true });
  ws.send(Buffer.from([1, 2]), { fin: false });
  ws.send(Buffer.alloc(0), { fin: false });
  ws.send(Buffer.from([3]), { fin: true });
}

function ping(ws) {
  ws.on('pong', (payload) => ws.send(`pong: ${payload}`));
  ws.ping('are you there?');
}

function closed(id, how) {
  holds.get(id)?.(how);
  holds.set(id, how);
}

function whenClosed(id, tell) {
  const how = holds.get(id);
  if (how) tell(how);
  else holds.set(id, tell);
}

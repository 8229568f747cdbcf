// The demo as a child process on a free port of 127.0.0.1.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';

const START_LIMIT = 15_000; // ms until the port answers
const STOP_LIMIT = 5_000; // ms from SIGTERM to the end of the process

export class Demo {
  #binary; #options; #child = null;

  /** Starts the binary and resolves when its port answers. */
  static async start(binary, ...options) {
    const demo = new Demo(binary, await freePort(), options);
    await demo.startAgain();
    return demo;
  }

  constructor(binary, port, options) {
    this.#binary = binary;
    this.#options = options;
    this.port = port;
    this.origin = `${options.includes('--tls-self-signed') ? 'https' : 'http'}://127.0.0.1:${port}`;
  }

  /** Another one, with these options. */
  another(...options) { return Demo.start(this.#binary, ...options); }

  /** On the same port as before. */
  async startAgain() {
    const child = spawn(this.#binary, ['--bind', `127.0.0.1:${this.port}`, ...this.#options], { stdio: ['ignore', 'ignore', 'inherit'] });
    this.#child = child;
    let ended = '';
    child.once('error', (error) => { ended = error.message; });
    child.once('exit', (code, signal) => { ended ||= `code ${code}, signal ${signal}`; });
    const deadline = Date.now() + START_LIMIT;
    while (!(await answers(this.port))) {
      if (ended) throw new Error(`the demo ended before it answered: ${ended}`);
      if (Date.now() > deadline) throw new Error(`the demo does not answer on port ${this.port}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** SIGTERM; resolves with `{ code, signal, took }` (ms) at the end of the process. */
  async stop() {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return { code: child?.exitCode, took: 0 };
    const began = Date.now();
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT);
    const [code, signal] = await ended;
    clearTimeout(late);
    return { code, signal, took: Date.now() - began };
  }

  /** After a failed test: up again if that test had stopped it. */
  async restore() {
    if (!(await answers(this.port))) {
      await this.stop();
      await this.startAgain();
    }
  }
}

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

function answers(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.once('connect', () => { socket.destroy(); resolve(true); });
    socket.once('error', () => resolve(false));
  });
}

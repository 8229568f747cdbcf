// A WebSocket that comes back by itself: exponential backoff with jitter, and a probe that notices a dead peer.

// The policy of the library's `Backoff`.
const FIRST_DELAY = 1000; // ms at most, at random
const INTERVAL = 1000; // ms; doubled for each further attempt
const LONGEST_DELAY = 30_000; // ms
const JITTER = 0.2; // of a delay, at random: clients cut off together do not come back together
const PROVEN_AFTER = 10_000; // ms open, or a message received: only then the delays begin anew
const OPENING_LIMIT = 10_000; // ms for the opening handshake
const QUIET_LIMIT = 30_000; // ms without a message before the server is asked for a sign of life
const PROBE_LIMIT = 10_000; // ms for that sign
const BUFFER_LIMIT = 8 * 1024 * 1024; // bytes handed to the socket and not yet sent

/**
 * States, told by `onState(state, retryAt, code)`: `closed` (not wanted, or closed by the server with 1000), `connecting`, `open`,
 * `waiting` (next attempt at `retryAt`; `code` is the status code of the close, if there was one).
 */
export class Connection {
  #path; #subprotocol; #hooks;
  #socket = null;
  #failures = 0; // since a connection was last proven
  #openedAt = 0;
  #retry = 0;
  #watch = 0;

  /** `hooks`: `onOpen()`, `onMessage(data)`, `onState(state, retryAt, code)`, and `probe()`, which sends something that is answered. */
  constructor(path, subprotocol, hooks) {
    this.#path = path;
    this.#subprotocol = subprotocol;
    this.#hooks = hooks;
    addEventListener('online', () => { if (this.#retry) this.connect(); });
  }

  get isOpen() { return this.#socket?.readyState === WebSocket.OPEN; }

  /** Connects now, without waiting for the next attempt. Does nothing while connected. */
  connect() {
    if (this.#socket) return;
    this.#stopTimers();
    this.#hooks.onState('connecting');
    const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = new WebSocket(`${scheme}//${location.host}${this.#path}`, this.#subprotocol);
    this.#socket = socket;
    this.#watch = setTimeout(() => this.#lost(socket), OPENING_LIMIT);
    socket.onopen = () => {
      this.#openedAt = performance.now();
      this.#heard(socket);
      this.#hooks.onState('open');
      this.#hooks.onOpen();
    };
    socket.onmessage = (event) => {
      // A server that accepts and closes at once is backed off from; one that talks has recovered.
      this.#failures = 0;
      this.#heard(socket);
      this.#hooks.onMessage(event.data);
    };
    socket.onclose = (event) => {
      if (event.code === 1000) this.disconnect();
      else this.#lost(socket, event.code);
    };
  }

  /** Closes with 1000 and stays closed. */
  disconnect() {
    this.#stopTimers();
    this.#failures = this.#openedAt = 0;
    const socket = this.#socket;
    this.#forget();
    socket?.close(1000, 'Client closing');
    this.#hooks.onState('closed');
  }

  /** Sends one JSON text. False, and nothing sent, if there is no connection or too much is still unsent. */
  send(object) {
    if (!this.isOpen || this.#socket.bufferedAmount > BUFFER_LIMIT) return false;
    this.#socket.send(JSON.stringify(object));
    return true;
  }

  #lost(socket, code) {
    if (socket !== this.#socket) return;
    this.#stopTimers();
    this.#forget();
    socket.close();
    if (this.#openedAt && performance.now() - this.#openedAt >= PROVEN_AFTER) this.#failures = 0;
    this.#openedAt = 0;
    this.#failures += 1;
    const longest = Math.min(LONGEST_DELAY, INTERVAL * 2 ** (this.#failures - 1));
    const delay = this.#failures === 1 ? Math.random() * FIRST_DELAY : longest * (1 - JITTER * Math.random());
    this.#retry = setTimeout(() => { this.#retry = 0; this.connect(); }, delay);
    this.#hooks.onState('waiting', Date.now() + delay, code);
  }

  /** A dead peer's closing handshake takes its time to fail; nothing that it still says is of interest. */
  #forget() {
    if (this.#socket) this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket = null;
  }

  #heard(socket) {
    clearTimeout(this.#watch);
    this.#watch = setTimeout(() => {
      this.#watch = setTimeout(() => this.#lost(socket), PROBE_LIMIT);
      this.#hooks.probe();
    }, QUIET_LIMIT);
  }

  #stopTimers() {
    clearTimeout(this.#retry);
    clearTimeout(this.#watch);
    this.#retry = this.#watch = 0;
  }
}

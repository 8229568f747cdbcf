// The ticker page: subscriptions over the wire, one table row a symbol.

import { Connection } from './connection.js';
import { connectionBadge } from './connection-badge.js';
import { QuoteRow } from './ticker-row.js';

const KNOWN = { AAPL: 'Apple', GOOGL: 'Alphabet', MSFT: 'Microsoft', TSLA: 'Tesla', AMZN: 'Amazon' };
const RATE_WINDOW = 5; // seconds over which the message rate is taken
const SYMBOL_LIMIT = 100; // symbols at a time
const CHIP_LIMIT = 12; // symbols offered where none of those above is known
const NAMED = 20; // symbols named in a sentence
const STORE = 'sansws.ticker';

const $ = (id) => document.getElementById(id);

const rows = new Map(); // symbol → QuoteRow; a row stands in the table from its first quote
const changed = new Set(); // rows with a quote not yet drawn
let offered = []; // the symbols that there are, once the server has told
let quotes = 0; // since the last second
const quotesBySecond = [];

// ---- the wire ----

const showState = connectionBadge($('connection'), () => connection.connect());
const connection = new Connection('/stocks', 'stocks.v1', {
  onOpen() {
    connection.send({ action: 'symbols' });
    if (rows.size) connection.send({ action: 'subscribe', symbols: [...rows.keys()] });
  },
  onMessage: receive,
  onState(state, retryAt) {
    showState(state, retryAt);
    $('quotes').classList.toggle('stale', state !== 'open');
    if (state !== 'open') { quotes = 0; quotesBySecond.length = 0; }
    renderRate();
    renderEmpty();
  },
  probe: () => connection.send({ action: 'symbols' }),
});

function receive(data) {
  let message = null;
  try { message = JSON.parse(data); } catch { /* answered below, like any other text that is no object */ }
  if (message?.type === 'quote') {
    quotes += 1;
    const row = rows.get(message.symbol);
    if (!row) return; // on its way when the symbol was unsubscribed
    row.take(message);
    if (changed.size === 0) requestAnimationFrame(draw);
    changed.add(row);
  } else if (message?.type === 'symbols' && Array.isArray(message.symbols)) {
    offered = message.symbols.map(String);
    renderChips();
  } else if (message?.type === 'error') {
    refuse(String(message.message));
  } else if (typeof message?.type !== 'string') {
    notify('The server sent something that this page does not understand.');
  }
}

/** An error names the symbol it is about; if it does not, the oldest one without a quote is meant. */
function refuse(why) {
  const waiting = [...rows.values()].filter((row) => !row.quote);
  const words = new Set(why.toUpperCase().match(/[^\s"'“”‘’`,;:()[\]]+/g));
  const named = waiting.filter((row) => words.has(row.symbol.toUpperCase()));
  for (const row of named.length ? named : waiting.slice(0, 1)) rows.delete(row.symbol);
  remember();
  renderChips();
  renderEmpty();
  notify(named.length && offered.length ? `${why}. There are: ${listed(offered)}` : why);
}

const listed = (symbols) => symbols.slice(0, NAMED).join(', ') + (symbols.length > NAMED ? ' …' : '');

// ---- what the person does ----

function subscribe(symbol) {
  if (rows.has(symbol)) return;
  if (rows.size >= SYMBOL_LIMIT) {
    notify(`No more than ${SYMBOL_LIMIT} symbols at a time.`);
    return;
  }
  rows.set(symbol, new QuoteRow(symbol, KNOWN[symbol], () => unsubscribe(symbol)));
  connection.send({ action: 'subscribe', symbols: [symbol] });
  remember();
  renderChips();
  renderEmpty();
}

function unsubscribe(symbol) {
  const row = rows.get(symbol);
  if (!row) return;
  const focused = row.element.contains(document.activeElement);
  rows.delete(symbol);
  changed.delete(row);
  row.element.remove();
  connection.send({ action: 'unsubscribe', symbols: [symbol] });
  remember();
  renderChips();
  renderEmpty();
  if (focused) $('quotes').focus();
}

// ---- rendering ----

function draw() {
  for (const row of changed) {
    if (!row.element.isConnected) {
      insert(row);
      renderChips();
      renderEmpty();
    }
    row.draw();
  }
  changed.clear();
}

/** Rows stand in the order of subscription, whichever quote came first. */
function insert(row) {
  const order = [...rows.values()];
  const next = order.slice(order.indexOf(row) + 1).find((later) => later.element.isConnected);
  $('rows').insertBefore(row.element, next?.element ?? null);
}

/** Keeps the buttons that are there, so that the focus stays where it is. */
function renderChips() {
  const known = Object.keys(KNOWN).filter((symbol) => !offered.length || offered.includes(symbol));
  const symbols = new Set([...(known.length ? known : offered.slice(0, CHIP_LIMIT)), ...rows.keys()]);
  for (const item of [...$('chips').children]) if (!symbols.has(item.dataset.symbol)) item.remove();
  for (const symbol of symbols) {
    let item = [...$('chips').children].find((each) => each.dataset.symbol === symbol);
    if (!item) $('chips').append(item = chip(symbol));
    const row = rows.get(symbol);
    item.firstChild.setAttribute('aria-pressed', String(Boolean(row)));
    item.firstChild.classList.toggle('pending', Boolean(row && !row.quote));
  }
}

function chip(symbol) {
  const item = document.createElement('li');
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'chip';
  button.textContent = symbol;
  button.addEventListener('click', () => (rows.has(symbol) ? unsubscribe(symbol) : subscribe(symbol)));
  item.dataset.symbol = symbol;
  item.append(button);
  return item;
}

function renderEmpty() {
  const shown = $('rows').childElementCount > 0;
  $('empty').hidden = shown;
  if (shown) return;
  if (!connection.isOpen) $('empty').textContent = 'No quotes while not connected.';
  else $('empty').textContent = rows.size ? 'Waiting for the first quote…' : 'Choose a symbol to see its quotes.';
}

function renderRate() {
  const seconds = quotesBySecond.length;
  const rate = quotesBySecond.reduce((sum, count) => sum + count, 0) / seconds;
  $('rate').textContent = seconds ? `${rate.toLocaleString('en', { maximumFractionDigits: 1 })} messages/s` : '';
}

function notify(message) {
  $('notice').hidden = false;
  $('notice-text').textContent = message;
}

function remember() {
  try { sessionStorage.setItem(STORE, JSON.stringify([...rows.keys()])); } catch { /* then a reload starts afresh */ }
}

function recall() {
  try { return JSON.parse(sessionStorage.getItem(STORE)); } catch { return null; }
}

// ---- wiring ----

$('add').addEventListener('submit', (event) => {
  event.preventDefault();
  const symbol = $('symbol').value.trim().toUpperCase();
  $('symbol').value = '';
  $('notice').hidden = true;
  if (symbol) subscribe(symbol);
});
$('notice-dismiss').addEventListener('click', () => { $('notice').hidden = true; $('symbol').focus(); });

setInterval(() => {
  if (!connection.isOpen) return;
  quotesBySecond.push(quotes);
  if (quotesBySecond.length > RATE_WINDOW) quotesBySecond.shift();
  quotes = 0;
  renderRate();
}, 1000);

for (const symbol of recall() ?? Object.keys(KNOWN)) subscribe(symbol);
renderChips();
connection.connect();

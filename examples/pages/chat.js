// The chat page: what is said over the wire, and which room is looked at.

import { Connection } from './connection.js';
import { connectionBadge } from './connection-badge.js';
import { Room, avatar, element } from './chat-room.js';

const LOBBY = '';
const LISTED_ROOMS = 200; // rooms of others shown in the list
const LISTED_MEMBERS = 200; // names shown of a room's members
const TEXT_LIMIT = 65_536; // bytes of a message that the server takes
const TOO_LONG = 1009; // the status code of a close (RFC 6455 §7.4.1)
const ROOMS_EVERY = 15_000; // ms between requests for the list of rooms
const NEAR_BOTTOM = 48; // px that still count as being at the newest message
const STORE = 'sansws.chat';

const $ = (id) => document.getElementById(id);
const log = $('log');
const composer = $('composer');

let me = '';
let admitted = false; // the server has confirmed a join on this connection
let current = LOBBY;
let openRooms = []; // the server's list of named rooms
let unanswered = []; // joins and messages whose echo is still to come, in order
const rooms = new Map(); // rooms this tab is in, or wants back into after a reconnection

// ---- the wire ----

const showState = connectionBadge($('connection'), () => connection.connect());
const connection = new Connection('/chat', 'chat.v1', {
  // The lobby first: entering a room from nowhere brings it with it, and then it could not be entered any more.
  onOpen() { for (const name of [...rooms.keys()].sort()) requestJoin(name, true); },
  onMessage: receive,
  onState(state, retryAt, code) {
    showState(state, retryAt);
    if (state !== 'open') wentOffline(code);
    renderComposer();
  },
  probe: () => connection.send({ type: 'rooms' }),
});

const inRoom = (name) => (name === LOBBY ? {} : { room: name });

/** `atOpen`: as the first thing on a connection. */
function requestJoin(name, atOpen = false) {
  if (connection.send({ type: 'join', username: me, ...inRoom(name) })) unanswered.push({ join: name, atOpen });
}

function receive(data) {
  let message = null;
  try { message = JSON.parse(data); } catch { /* answered below, like any other text that is no object */ }
  const handle = Object.hasOwn(replies, message?.type) ? replies[message.type] : null;
  if (handle) handle(message, rooms.get(String(message.room ?? LOBBY)));
  else if (typeof message?.type !== 'string') notify('The server sent something that this page does not understand.');
}

const replies = {
  join({ username, room: name = LOBBY }, room) {
    if (!admitted) {
      // The first join on a connection is our own, whatever the server made of the name.
      admitted = true;
      me = username;
      remember();
      renderMe();
    }
    // A namesake is somebody else: what is ours is what we have asked for, and comes first in each room.
    const own = username === me && !room?.joined;
    if (!room) {
      // A room of our own connection's that was not asked for: the lobby, which entering a room may bring with it.
      const enters = unanswered.some((request) => request.join !== undefined);
      if (own && enters) connection.send({ type: 'leave', ...inRoom(name) });
      return;
    }
    room.countMember(username, 1);
    if (own) {
      unanswered = unanswered.filter((request) => request.join !== name);
      room.joined = true;
      connection.send({ type: 'who', ...inRoom(name) });
      connection.send({ type: 'rooms' });
      addLine(room, () => room.addSystem(`You ${room.wasJoined ? 'are back in' : 'joined'} ${room.place}`));
      room.wasJoined = true;
      renderRooms();
      renderComposer();
    } else {
      addLine(room, () => room.addSystem(`${username} joined`), `${username} joined`);
    }
    renderMembers(room);
  },

  leave({ username }, room) {
    if (!room) return;
    room.countMember(username, -1);
    addLine(room, () => room.addSystem(`${username} left`), `${username} left`);
    renderMembers(room);
  },

  message({ username, text, room: name = LOBBY }, room) {
    if (!room) return;
    // The name alone does not tell: a namesake is somebody else.
    const at = unanswered.findIndex((request) => request.text === text && request.room === name);
    const own = username === me && at >= 0;
    if (own) unanswered.splice(at, 1);
    addLine(room, (seen) => room.addMessage(username, text, own, own || seen), own ? '' : `${username}: ${text}`);
  },

  who({ members }, room) {
    room?.setMembers(members);
    if (room) renderMembers(room);
  },

  rooms({ rooms: names }) {
    openRooms = names;
    renderRooms();
  },

  error({ message }) {
    // Replies come in the order of the requests: the oldest without an echo is the one refused.
    const refused = unanswered.shift();
    if (!admitted && refused?.atOpen) {
      signOff();
      showEntranceError(message);
      return;
    }
    if (refused?.join !== undefined) dropRoom(refused.join);
    if (refused?.text !== undefined) returnToDraft([refused]);
    notify(message);
  },
};

function wentOffline(code) {
  admitted = false;
  const unsent = unanswered.filter((request) => request.text !== undefined);
  unanswered = [];
  const why = code === TOO_LONG ? 'The last message was too long for the server.'
    : 'The connection was lost before the last message was confirmed.';
  if (unsent.length) {
    returnToDraft(unsent);
    notify(`${why} It is back in the message field.`);
  } else if (code === TOO_LONG) {
    notify(why);
  }
  for (const room of rooms.values()) {
    if (room.joined) addLine(room, () => room.addFailure('Connection lost'));
    room.joined = false;
    room.setMembers([]);
    renderMembers(room);
  }
}

// ---- what the person does ----

function enter(name, names = [LOBBY]) {
  me = name;
  rooms.clear();
  for (const each of names) rooms.set(each, new Room(each));
  if (!rooms.has(current)) current = rooms.keys().next().value ?? LOBBY;
  remember();
  $('entrance').hidden = true;
  $('chat').hidden = $('connection').hidden = $('me').hidden = false;
  renderMe();
  select(current);
  connection.connect();
}

function signOff() {
  connection.disconnect();
  rooms.clear();
  remember('');
  $('entrance').hidden = false;
  $('chat').hidden = $('connection').hidden = $('me').hidden = true;
  $('entrance-error').hidden = true;
  $('name').value = me;
  $('name').focus();
  renderTitle();
}

function showEntranceError(message) {
  $('entrance-error').hidden = false;
  $('entrance-error').textContent = message;
  $('name').select();
}

function openRoom(name) {
  if (!rooms.has(name)) {
    rooms.set(name, new Room(name));
    remember();
    if (connection.isOpen) requestJoin(name);
  }
  select(name);
}

function leaveRoom(name) {
  connection.send({ type: 'leave', ...inRoom(name) });
  dropRoom(name);
  connection.send({ type: 'rooms' });
}

function dropRoom(name) {
  rooms.delete(name);
  remember();
  if (current === name) select(rooms.has(LOBBY) ? LOBBY : rooms.keys().next().value ?? LOBBY);
  else renderRooms();
}

function sendDraft() {
  const room = rooms.get(current);
  const text = composer.value.toWellFormed?.() ?? composer.value;
  if (!room?.joined || !text.trim()) return;
  const bytes = new TextEncoder().encode(text).length;
  if (bytes > TEXT_LIMIT) {
    notify(`Not sent: the message is too long, ${bytes.toLocaleString('en')} bytes of at most ${TEXT_LIMIT.toLocaleString('en')}.`);
    return;
  }
  if (!connection.send({ type: 'message', username: me, text, ...inRoom(current) })) {
    notify('Not sent: an earlier message is still on its way. Try again in a moment.');
    return;
  }
  unanswered.push({ room: current, text });
  composer.value = '';
  hideNotice();
  fitComposer();
  room.clearDivider();
  toNewest();
}

/** Puts texts that did not get through back in front of what has been written since. */
function returnToDraft(requests) {
  keepDraft();
  for (const { room: name, text } of requests.reverse()) {
    const room = rooms.get(name);
    if (room) room.draft = room.draft ? `${text}\n${room.draft}` : text;
  }
  showDraft();
}

function select(name) {
  keepDraft();
  rooms.get(current)?.clearDivider();
  current = name;
  remember();
  closeDrawers();
  const room = rooms.get(name);
  $('room-title').textContent = room ? room.title : 'No room';
  $('leave').hidden = !room;
  $('leave').textContent = name === LOBBY ? 'Leave lobby' : 'Leave room';
  log.replaceChildren(room ? room.lines : element('p', 'empty', 'You are in no room. Choose one, or create your own.'));
  showDraft();
  renderComposer();
  drawMembers(room);
  // With something unread, start where it starts; else at the newest.
  const divider = log.querySelector('.divider');
  if (divider) divider.scrollIntoView({ block: 'start' });
  else toNewest();
  noticeRead();
}

// ---- the conversation in view ----

const atNewest = () => log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_BOTTOM;

function toNewest() {
  log.scrollTop = log.scrollHeight;
  noticeRead();
}

/** Adds a line by `add(seen)`, stays at the newest if that is where the person was, and says it to a screen reader. */
function addLine(room, add, spoken = '') {
  const shown = room.name === current && !$('chat').hidden;
  const follow = shown && atNewest();
  add(follow && !document.hidden);
  if (follow) log.scrollTop = log.scrollHeight;
  if (shown && spoken) announce(spoken);
  if (shown) noticeRead();
  renderRooms();
}

function noticeRead() {
  const room = rooms.get(current);
  if (room && !document.hidden && atNewest()) room.markRead();
  const unread = room?.unread ?? 0;
  $('to-newest').hidden = unread === 0 || atNewest();
  $('to-newest').textContent = `${unread} new message${unread === 1 ? '' : 's'} ↓`;
  renderRooms();
}

function announce(text) {
  const line = element('p', '', text.length > 300 ? `${text.slice(0, 300)}…` : text);
  $('announcer').append(line);
  while ($('announcer').childElementCount > 20) $('announcer').firstElementChild.remove();
  setTimeout(() => line.remove(), 10_000);
}

// ---- rendering ----

function renderMe() { $('me-name').textContent = me; }

let roomsStale = false;
/** Once per task, however many lines came in it. */
function renderRooms() {
  if (roomsStale) return;
  roomsStale = true;
  queueMicrotask(() => {
    roomsStale = false;
    const names = [...rooms.keys()].sort((a, b) => a.localeCompare(b));
    const others = openRooms.filter((name) => !rooms.has(name)).slice(0, LISTED_ROOMS);
    if (!rooms.has(LOBBY)) others.unshift(LOBBY);
    updateList($('room-list'), names);
    updateList($('open-room-list'), others);
    $('open-rooms-title').hidden = others.length === 0;
    const elsewhere = names.reduce((sum, name) => sum + (name === current ? 0 : rooms.get(name).unread), 0);
    $('elsewhere').hidden = elsewhere === 0;
    $('elsewhere').textContent = elsewhere;
    renderTitle();
  });
}

/** Keeps the buttons that are there, so that the focus stays where it is. */
function updateList(list, names) {
  const have = new Map([...list.children].map((item) => [item.dataset.room, item]));
  names.forEach((name, at) => {
    const item = have.get(name) ?? roomItem(name);
    have.delete(name);
    if (list.children[at] !== item) list.insertBefore(item, list.children[at] ?? null);
    const room = rooms.get(name);
    const button = item.firstElementChild;
    button.classList.toggle('outside', !room);
    if (room && name === current) button.setAttribute('aria-current', 'true');
    else button.removeAttribute('aria-current');
    const badge = button.querySelector('.badge');
    badge.hidden = !room?.unread;
    badge.firstChild.data = String(room?.unread ?? 0);
  });
  for (const item of have.values()) item.remove();
}

function roomItem(name) {
  const item = element('li');
  const button = element('button', 'room');
  const badge = element('span', 'badge', '0');
  badge.append(element('span', 'visually-hidden', ' unread'));
  button.type = 'button';
  button.append(element('span', 'room-name', name || 'Lobby'), badge);
  button.addEventListener('click', () => { openRoom(name); focusComposer(); });
  item.dataset.room = name;
  item.append(button);
  return item;
}

function renderTitle() {
  let unread = 0;
  for (const room of rooms.values()) unread += room.unread;
  const place = rooms.get(current)?.title;
  document.title = `${unread ? `(${unread}) ` : ''}${place ? `${place} – Chat` : 'Chat'} – sansws`;
}

let membersStale = false;
/** Once per frame, however many came and went. */
function renderMembers(room) {
  if (room.name !== current || membersStale) return;
  membersStale = true;
  requestAnimationFrame(() => {
    membersStale = false;
    drawMembers(rooms.get(current));
  });
}

function drawMembers(room) {
  const names = [...room?.members.keys() ?? []].sort((a, b) => a.localeCompare(b));
  const items = names.slice(0, LISTED_MEMBERS).map((name) => {
    const item = element('li', 'member');
    item.append(avatar(name), element('span', 'member-name', name));
    if (room.members.get(name) > 1) item.append(element('small', '', `× ${room.members.get(name)}`));
    if (name === me) item.append(element('small', '', '(you)'));
    return item;
  });
  if (names.length > items.length) items.push(element('li', 'member hint', `and ${names.length - items.length} more`));
  $('member-list').replaceChildren(...items);
  const count = room?.size ? ` (${room.size})` : '';
  $('members-title').textContent = $('show-members').textContent = `Members${count}`;
}

let focusIsOwed = false;
function renderComposer() {
  const room = rooms.get(current);
  const ready = Boolean(connection.isOpen && room?.joined);
  // A field that is disabled loses the focus; it gets it back unless the person has gone elsewhere.
  if (!ready && document.activeElement === composer) focusIsOwed = true;
  composer.disabled = $('send').disabled = !ready;
  $('composer-label').textContent = `Message to ${room?.place ?? 'a room'}`;
  composer.placeholder = room ? `Message to ${room.place}` : '';
  if (ready) $('composer-hint').textContent = 'Enter sends, Shift + Enter starts a new line.';
  else if (!room) $('composer-hint').textContent = 'Join a room to write.';
  else if (connection.isOpen) $('composer-hint').textContent = 'Joining…';
  else $('composer-hint').textContent = composer.value ? 'Offline. Your draft is kept.' : 'Offline.';
  if (ready && focusIsOwed) {
    focusIsOwed = false;
    if (document.activeElement === document.body) composer.focus();
  }
}

/** Now, or as soon as the room can be written to. */
function focusComposer() {
  focusIsOwed = true;
  document.activeElement.blur();
  renderComposer();
}

function keepDraft() {
  const room = rooms.get(current);
  if (room) room.draft = composer.value;
}

function showDraft() {
  composer.value = rooms.get(current)?.draft ?? '';
  fitComposer();
}

function fitComposer() {
  composer.style.height = 'auto';
  composer.style.height = `${composer.scrollHeight + 2}px`;
}

function notify(message) {
  $('notice').hidden = false;
  $('notice-text').textContent = String(message);
}

function hideNotice() {
  $('notice').hidden = true;
  $('notice-text').textContent = '';
}

function closeDrawers() {
  for (const [button, panel] of drawers) {
    panel.classList.remove('open');
    button.setAttribute('aria-expanded', 'false');
  }
}

/** Name and rooms belong to the tab: two tabs are two people. */
function remember(name = me) {
  try {
    sessionStorage.setItem(STORE, JSON.stringify({ name, rooms: [...rooms.keys()], current }));
  } catch { /* storage may be switched off; then a reload asks for the name again */ }
}

function recall() {
  try { return JSON.parse(sessionStorage.getItem(STORE)) ?? {}; } catch { return {}; }
}

// ---- wiring ----

const drawers = [[$('show-rooms'), $('rooms-panel')], [$('show-members'), $('members-panel')]];
for (const [button, panel] of drawers) {
  button.addEventListener('click', () => {
    const open = !panel.classList.contains('open');
    closeDrawers();
    panel.classList.toggle('open', open);
    button.setAttribute('aria-expanded', String(open));
  });
  panel.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || !panel.classList.contains('open')) return;
    closeDrawers();
    button.focus();
  });
}

$('entrance-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const name = $('name').value.trim();
  if (!name) return;
  enter(name);
  focusComposer();
});
$('new-room').addEventListener('submit', (event) => {
  event.preventDefault();
  const name = $('new-room-name').value.trim();
  $('new-room-name').value = '';
  if (!name) return;
  openRoom(name);
  focusComposer();
});
$('composer-form').addEventListener('submit', (event) => { event.preventDefault(); sendDraft(); });
composer.addEventListener('keydown', (event) => {
  // Enter that ends the input of a composed character is not meant for us.
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  sendDraft();
});
composer.addEventListener('input', fitComposer);
$('leave').addEventListener('click', () => { leaveRoom(current); focusComposer(); });
$('sign-off').addEventListener('click', signOff);
$('notice-dismiss').addEventListener('click', () => { hideNotice(); focusComposer(); });
$('to-newest').addEventListener('click', () => { toNewest(); focusComposer(); });
log.addEventListener('scroll', noticeRead, { passive: true });
document.addEventListener('visibilitychange', noticeRead);
setInterval(() => { if (!document.hidden) connection.send({ type: 'rooms' }); }, ROOMS_EVERY);

const kept = recall();
if (kept.name) {
  current = kept.current ?? LOBBY;
  enter(kept.name, kept.rooms ?? [LOBBY]);
  focusComposer();
} else {
  $('name').focus();
}

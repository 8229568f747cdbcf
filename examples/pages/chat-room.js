// One room of the chat: its lines on the page, its members, its draft, and what of it is unread.

const LINE_LIMIT = 500; // lines kept; the oldest go first
const TEXT_LIMIT = 4_000_000; // characters kept over all lines
const LONG_TEXT = 1500; // characters from which a message is shown folded
const GROUP_GAP = 5 * 60_000; // ms within which a sender's messages stand together

export class Room {
  members = new Map(); // name → how many connections carry it
  joined = false;
  wasJoined = false; // before the connection was lost
  unread = 0;
  draft = '';
  lines = element('ol', 'lines');
  #characters = 0;
  #last = null; // sender and time of the last message, if the last line is one
  #divider = null;

  /** `name` is empty for the lobby. */
  constructor(name) {
    this.name = name;
    this.#showEmpty();
  }

  get title() { return this.name || 'Lobby'; }
  /** Connections, of which several may carry the same name. */
  get size() { return [...this.members.values()].reduce((sum, count) => sum + count, 0); }
  get place() { return this.name ? `“${this.name}”` : 'the lobby'; }

  /** Adds a message. `seen`: the person is looking at it. */
  addMessage(sender, text, own, seen) {
    if (!seen) {
      if (!this.unread) this.#addDivider();
      this.unread += 1;
    }
    const now = new Date();
    const first = this.#last?.sender !== sender || now - this.#last.time > GROUP_GAP;
    const line = element('li', own ? 'line own' : 'line');
    if (first) {
      line.classList.add('first');
      line.append(avatar(sender));
    }
    const meta = element('div', first ? 'meta' : 'visually-hidden');
    meta.append(element('span', 'sender', own ? 'You' : sender), timeOf(now));
    line.append(meta, bubble(text));
    this.#add(line, text.length);
    this.#last = { sender, time: now };
  }

  /** Adds a line about the room: somebody came or went. */
  addSystem(text) { this.#add(element('li', 'system', text), text.length); }

  /** Adds a line about something that went wrong. */
  addFailure(text) { this.#add(element('li', 'failure', text), text.length); }

  markRead() { this.unread = 0; }

  clearDivider() {
    this.#divider?.remove();
    this.#divider = null;
  }

  setMembers(names) {
    this.members.clear();
    for (const name of names) this.countMember(name, 1);
  }

  countMember(name, by) {
    const count = (this.members.get(name) ?? 0) + by;
    if (count > 0) this.members.set(name, count);
    else this.members.delete(name);
  }

  #addDivider() {
    this.clearDivider();
    this.#divider = element('li', 'divider', 'New');
    this.lines.append(this.#divider);
    this.#last = null;
  }

  #showEmpty() {
    this.lines.replaceChildren(element('li', 'empty', `No messages in ${this.place} yet.`));
  }

  #add(line, characters) {
    this.lines.querySelector(':scope > .empty')?.remove();
    line.dataset.characters = characters;
    this.#characters += characters;
    this.#last = null;
    this.lines.append(line);
    while (this.lines.childElementCount > 1
      && (this.lines.childElementCount > LINE_LIMIT || this.#characters > TEXT_LIMIT)) {
      this.#characters -= Number(this.lines.firstElementChild.dataset.characters ?? 0);
      this.lines.firstElementChild.remove();
    }
  }
}

/** An element with a class and, as text and never as HTML, its content. */
export function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** A disc with the first letter of a name, in a colour of the name's own. */
export function avatar(name) {
  const [initial = '?'] = name.trim(); // the first code point, not half of one
  const disc = element('span', 'avatar', initial.toUpperCase());
  let hash = 0;
  for (const character of name) hash = (hash * 31 + character.codePointAt(0)) % 65_521;
  disc.style.setProperty('--hue', Math.round(hash * 137.508) % 360); // the golden angle sets neighbours apart
  disc.setAttribute('aria-hidden', 'true');
  return disc;
}

function timeOf(date) {
  const time = element('time', '', date.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }));
  time.dateTime = date.toISOString();
  return time;
}

function bubble(text) {
  const made = element('div', 'bubble');
  const body = element('div', 'text', text);
  body.dir = 'auto';
  made.append(body);
  if (text.length > LONG_TEXT) {
    const more = element('button', 'more');
    const fold = (folded) => {
      body.classList.toggle('long', folded);
      more.setAttribute('aria-expanded', String(!folded));
      more.textContent = folded ? `Show all ${text.length.toLocaleString('en')} characters` : 'Show less';
    };
    more.type = 'button';
    more.addEventListener('click', () => fold(body.classList.contains('long') === false));
    fold(true);
    made.append(more);
  }
  return made;
}

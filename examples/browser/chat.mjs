// The chat page.

import assert from 'node:assert/strict';
import { connected, hears, say, systemLine } from './tabs.mjs';

export const chatTests = [
  ['two tabs chat both ways', async (tabs) => {
    const ann = await tabs.chat('ann');
    const bob = await tabs.chat('bob');
    await systemLine(ann, 'bob joined').waitFor();
    assert.equal(await systemLine(ann, 'bob joined').evaluate((line) => getComputedStyle(line).fontStyle), 'italic');
    await say(ann, 'Hello Bob');
    await hears(bob, 'ann', 'Hello Bob');
    await say(bob, 'Hello Ann');
    await hears(ann, 'bob', 'Hello Ann');
    await hears(ann, 'You', 'Hello Bob');
    assert.equal(await ann.locator('#log .line').count(), 2, 'each message exactly once');
    assert.match(await ann.locator('#log .line time').first().textContent(), /^\d\d:\d\d/);
    const members = ann.getByRole('complementary', { name: /Members/ }).getByRole('listitem');
    await ann.getByRole('heading', { name: 'Members (2)' }).waitFor();
    assert.deepEqual((await members.allInnerTexts()).map((text) => text.replace(/\s+/g, ' ').trim()), ['A ann (you)', 'B bob']);
  }],

  ['a tab that is closed leaves', async (tabs) => {
    const ann = await tabs.chat('ann');
    const zoe = await tabs.chat('zoe');
    await systemLine(ann, 'zoe joined').waitFor();
    await zoe.close();
    await systemLine(ann, 'zoe left').waitFor();
    await ann.getByRole('heading', { name: 'Members (1)' }).waitFor();
  }],

  ['a text of 60 kB with emoji arrives intact', async (tabs) => {
    const ann = await tabs.chat('ann');
    const bob = await tabs.chat('bob');
    const piece = 'Zwölf Boxkämpfer 🦀 👩‍👩‍👧 «日本語»\n';
    const text = piece.repeat(Math.floor(60_000 / Buffer.byteLength(piece))) + 'end';
    await say(ann, text);
    await hears(bob, 'ann', text);
    await hears(ann, 'You', text);
    const more = bob.getByRole('button', { name: /^Show all/ });
    const folded = (await bob.locator('.text').boundingBox()).height;
    await more.click();
    assert.ok((await bob.locator('.text').boundingBox()).height > 10 * folded, 'unfolds');
  }],

  ['markup in a message, a name and a room is text', async (tabs) => {
    const name = '<i>ann</i>';
    const text = '<img src="x" onerror="document.title=1"><script>document.title=2</script> &amp; <b>bold</b>';
    const ann = await tabs.chat(name);
    const bob = await tabs.chat('bob');
    await say(ann, text);
    await hears(bob, name, text);
    await enterRoom(bob, '<u>room</u>');
    await bob.getByRole('heading', { name: '<u>room</u>' }).waitFor();
    assert.equal(await bob.locator('#chat :is(img, script, i, b, u)').count(), 0);
  }],

  ['a named room is apart from the lobby', async (tabs) => {
    const ann = await tabs.chat('ann');
    const bob = await tabs.chat('bob');
    await enterRoom(ann, 'rust');
    await say(ann, 'alone in here');
    await hears(ann, 'You', 'alone in here');
    await say(bob, 'only the lobby');
    await hears(bob, 'You', 'only the lobby');

    // Bob finds the room in the list, and from then on sees what is said there.
    await bob.evaluate(() => location.reload());
    await bob.getByRole('list', { name: 'Open to join' }).getByRole('button', { name: 'rust' }).click();
    await bob.locator('#composer:enabled').waitFor();
    await systemLine(ann, 'bob joined').waitFor();
    await say(ann, 'welcome');
    await hears(bob, 'ann', 'welcome');
    const lines = await bob.locator('#log .text').allTextContents();
    assert.deepEqual(lines, ['welcome']);

    // Ann is told of the lobby's message without looking at it.
    const lobby = ann.getByRole('navigation', { name: 'Rooms' }).getByRole('button', { name: /^Lobby/ });
    assert.equal(await lobby.innerText().then((text) => text.replace(/\s+/g, ' ')), 'Lobby 1 unread');
    assert.match(await ann.title(), /^\(1\) /);
    await ann.getByRole('button', { name: 'Leave room' }).click();
    await hears(ann, 'bob', 'only the lobby');
    await systemLine(bob, 'ann left').waitFor();
    await ann.waitForFunction(() => document.title.startsWith('Lobby'));
  }],

  ['the lobby can be left, and a reload keeps name and rooms', async (tabs) => {
    const lea = await tabs.chat('lea');
    const bob = await tabs.chat('bob');
    await lea.getByRole('button', { name: 'Leave lobby' }).click();
    await lea.getByRole('heading', { name: 'No room' }).waitFor();
    await lea.locator('#composer:disabled').waitFor();
    await systemLine(bob, 'lea left').waitFor();

    await enterRoom(lea, 'attic');
    await lea.evaluate(() => location.reload());
    await lea.getByRole('heading', { name: 'attic' }).waitFor();
    await lea.locator('#composer:enabled').waitFor();
    await say(lea, 'still lea');
    await hears(lea, 'You', 'still lea');
    const inside = lea.getByRole('navigation', { name: 'Rooms' }).getByRole('list').first().getByRole('button');
    assert.deepEqual(await inside.allInnerTexts(), ['attic']);
    await bob.getByRole('heading', { name: 'Members (1)' }).waitFor();
  }],

  ['what is unread is counted and shown on demand', async (tabs) => {
    const ann = await tabs.chat('ann');
    const bob = await tabs.chat('bob');
    for (let line = 1; line <= 40; line += 1) await say(ann, `line ${line}`);
    await hears(ann, 'You', 'line 40');
    await ann.locator('#log').evaluate((log) => { log.scrollTop = 0; });
    await say(bob, 'look down here');
    const button = ann.getByRole('button', { name: '1 new message' });
    await button.waitFor();
    assert.match(await ann.title(), /^\(1\) /);
    assert.equal(await ann.locator('#log').evaluate((log) => log.scrollTop), 0, 'stays where the person reads');
    await button.click();
    await button.waitFor({ state: 'hidden' });
    await ann.waitForFunction(() => document.title.startsWith('Lobby'));
    await say(bob, 'and again');
    await hears(ann, 'bob', 'and again');
    const gap = await ann.locator('#log').evaluate((log) => log.scrollHeight - log.scrollTop - log.clientHeight);
    assert.ok(gap < 2, `follows at the newest, ${gap} px off`);
  }],

  ['an error of the server is shown and the text is not lost', async (tabs) => {
    const page = await tabs.open('/chat');
    const long = 'n'.repeat(200);
    await page.getByLabel('Your name').fill(long);
    await page.getByRole('button', { name: 'Join', exact: true }).click();
    await page.locator('#entrance-error:not(:empty)').waitFor();
    assert.equal(await page.getByLabel('Your name').inputValue(), long);

    const ann = await tabs.chat('ann');
    const text = 'too long '.repeat(20_000);
    await say(ann, text);
    await ann.locator('#notice-text', { hasText: '180,000 bytes of at most 65,536' }).waitFor();
    assert.equal(await ann.locator('#composer').inputValue(), text);
    await say(ann, 'short');
    await hears(ann, 'You', 'short');
    assert.ok(!ann.texts.some((text) => JSON.parse(text).type === 'error'), 'it was not even sent');
  }],

  ['the status code of a close is told to the page', async (tabs) => {
    const page = await tabs.open('/');
    const heard = await page.evaluate(async () => {
      const { Connection } = await import('/assets/connection.js');
      return new Promise((resolve) => {
        const connection = new Connection('/chat', 'chat.v1', {
          onOpen() { connection.send({ type: 'message', username: 'x', text: 'x'.repeat(600_000) }); },
          onMessage() {},
          probe() {},
          onState(state, retryAt, code) {
            if (state !== 'waiting') return;
            connection.disconnect();
            resolve(code);
          },
        });
        connection.connect();
      });
    });
    assert.equal(heard, 1009);
  }],

  ['delays begin anew only after a message or ten seconds open', async (tabs) => {
    const page = await tabs.open('/');
    // The clock, chance and the server are played.
    const delays = await page.evaluate(async () => {
      let now = 0;
      const sockets = [];
      performance.now = () => now;
      Date.now = () => now;
      Math.random = () => 0.5;
      window.setTimeout = () => 1;
      window.WebSocket = class { constructor() { sockets.push(this); } close() {} };
      const { Connection } = await import('/assets/connection.js');
      const delays = [];
      const onState = (state, retryAt) => { if (state === 'waiting') delays.push(retryAt - now); };
      const connection = new Connection('/', 'x', { onOpen() {}, onMessage() {}, probe() {}, onState });
      const life = (open, code, message) => {
        connection.connect();
        const socket = sockets.at(-1);
        if (open !== null) { now += 5; socket.onopen(); now += open; }
        if (message) socket.onmessage({ data: '{}' });
        socket.onclose({ code });
        now += 60_000;
      };
      for (let i = 0; i < 3; i += 1) life(0, 1013);
      life(null, 1006);
      life(9999, 1008);
      life(0, 1013);
      life(0, 1013);
      life(10_000, 1006);
      life(0, 1013);
      life(0, 1006, true);
      return delays;
    });
    assert.deepEqual(delays, [500, 1800, 3600, 7200, 14_400, 27_000, 27_000, 500, 1800, 500]);
  }],

  ['a namesake is somebody else', async (tabs) => {
    const cat = await tabs.chat('cat');
    const ann = await tabs.chat('ann');
    const other = await tabs.chat('ann');
    const members = cat.getByRole('complementary', { name: /Members/ }).getByRole('listitem');
    const shown = async () => (await members.allInnerTexts()).map((text) => text.replace(/\s+/g, ' ').trim());
    await cat.getByRole('heading', { name: 'Members (3)' }).waitFor();
    assert.deepEqual(await shown(), ['A ann × 2', 'C cat (you)']);
    await say(ann, 'it is me');
    await hears(ann, 'You', 'it is me');
    await hears(other, 'ann', 'it is me');
    await other.close();
    await systemLine(ann, 'ann left').waitFor();
    await cat.getByRole('heading', { name: 'Members (2)' }).waitFor();
    assert.deepEqual(await shown(), ['A ann', 'C cat (you)']);
  }],

  ['of many members some are shown, once a frame', async (tabs) => {
    const ann = await tabs.chat('ann');
    await ann.evaluate(() => {
      const send = WebSocket.prototype.send;
      WebSocket.prototype.send = function (text) { window.socket = this; return send.call(this, text); };
    });
    await say(ann, 'hello');
    await hears(ann, 'You', 'hello');
    const changes = await ann.evaluate(async () => {
      let changes = 0;
      new MutationObserver((records) => { changes += records.length; })
        .observe(document.getElementById('member-list'), { childList: true });
      for (let i = 0; i < 210; i += 1) {
        window.socket.onmessage({ data: JSON.stringify({ type: 'join', username: `m${i}` }) });
      }
      for (let i = 0; i < 2; i += 1) await new Promise(requestAnimationFrame);
      return changes;
    });
    assert.ok(changes > 0 && changes < 10, `${changes} changes of the list`);
    await ann.getByRole('heading', { name: 'Members (211)' }).waitFor();
    const members = ann.getByRole('complementary', { name: /Members/ }).getByRole('listitem');
    assert.equal(await members.count(), 201);
    assert.equal(await members.last().innerText(), 'and 11 more');
  }],

  ['whose room is refused stays', async (tabs) => {
    // Asked for before the server has said who this is, like all that is asked for in a hurry.
    const ann = await tabs.open('/chat');
    await ann.getByLabel('Your name').fill('ann');
    const long = 'n'.repeat(100);
    await ann.evaluate((room) => {
      const send = WebSocket.prototype.send;
      WebSocket.prototype.send = function (text) {
        if (!text.includes('"join"') || this.asked) return send.call(this, text);
        this.asked = true;
        document.getElementById('new-room-name').value = room;
        document.getElementById('new-room').requestSubmit();
        return send.call(this, text);
      };
    }, long);
    await ann.getByRole('button', { name: 'Join', exact: true }).click();
    await ann.locator('#notice-text', { hasText: 'at most 64' }).waitFor();
    await ann.locator('#composer:enabled').waitFor();
    await say(ann, 'still here');
    await hears(ann, 'You', 'still here');
  }],

  ['the chat works by keyboard alone', async (tabs) => {
    const page = await tabs.open('/chat');
    const { keyboard } = page;
    await keyboard.type('kim');
    await keyboard.press('Enter');
    await page.waitForFunction(() => document.activeElement.id === 'composer');
    await keyboard.type('one');
    await keyboard.press('Shift+Enter');
    await keyboard.type('two');
    await keyboard.press('Enter');
    await hears(page, 'You', 'one\ntwo');

    await tabTo(page, 'new-room-name', 'Shift+Tab');
    await keyboard.type('quiet');
    await keyboard.press('Enter');
    await page.waitForFunction(() => document.activeElement.id === 'composer');
    await keyboard.type('hush');
    await keyboard.press('Enter');
    await hears(page, 'You', 'hush');

    await tabTo(page, 'leave', 'Shift+Tab');
    await keyboard.press('Enter');
    await page.waitForFunction(() => document.activeElement.id === 'composer');
    await page.getByRole('heading', { name: 'Lobby' }).waitFor();
    await hears(page, 'You', 'one\ntwo');
    await tabTo(page, 'log', 'Shift+Tab');
    const outline = await page.locator('#log').evaluate((log) => getComputedStyle(log).outlineStyle);
    assert.equal(outline, 'solid', 'the focus is visible');
  }],

  ['the server restarts: state shown, draft kept, rooms rejoined', async (tabs, demo) => {
    const ann = await tabs.chat('ann');
    const bob = await tabs.chat('bob');
    await enterRoom(ann, 'rust');
    await enterRoom(bob, 'rust');
    await systemLine(ann, 'bob joined').waitFor();
    await ann.locator('#composer').fill('half a thought');
    const raw = await tabs.open('/');
    await raw.evaluate(() => new Promise((resolve, reject) => {
      const socket = new WebSocket('/echo');
      window.echoClosed = new Promise((done) => { socket.onclose = ({ code, wasClean }) => done({ code, wasClean }); });
      socket.onopen = resolve;
      setTimeout(() => reject(new Error('no connection')), 10_000);
    }));

    tabs.allowOffline();
    const ended = await demo.stop();
    assert.equal(ended.code, 0, `exit code of the demo (signal ${ended.signal})`);
    assert.ok(ended.took < 2000, `the demo took ${ended.took} ms to end`);
    assert.deepEqual(await raw.evaluate(() => window.echoClosed), { code: 1001, wasClean: true });
    for (const page of [ann, bob]) {
      await page.locator('#connection[data-state="waiting"]', { hasText: /Reconnecting in \d+ s/ }).waitFor();
      await page.locator('#composer:disabled').waitFor();
      await page.getByRole('button', { name: 'Try now' }).waitFor();
    }
    assert.equal(await ann.locator('#composer').inputValue(), 'half a thought');

    await demo.startAgain();
    for (const page of [ann, bob]) {
      await connected(page);
      await page.locator('#composer:enabled').waitFor();
    }
    assert.equal(await ann.locator('#composer').inputValue(), 'half a thought');
    await ann.getByRole('heading', { name: 'Members (2)' }).waitFor();
    await ann.locator('#composer').press('Enter');
    await hears(bob, 'ann', 'half a thought');
    await say(bob, 'back again');
    await hears(ann, 'bob', 'back again');
  }],
];

async function enterRoom(page, name) {
  await page.getByLabel('Create or join a room').fill(name);
  await page.getByLabel('Create or join a room').press('Enter');
  await page.getByRole('heading', { name, exact: true }).waitFor();
  await page.locator('#composer:enabled').waitFor();
}

async function tabTo(page, id, key) {
  for (let presses = 0; presses < 30; presses += 1) {
    if (await page.evaluate(() => document.activeElement.id) === id) return;
    await page.keyboard.press(key);
  }
  throw new Error(`#${id} is not reached by ${key}`);
}

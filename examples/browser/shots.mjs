// Pictures of each page, light and dark, wide and narrow, for a person to look at: shots/PAGE-SCHEME.png.

import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { hears, say, systemLine, until } from './tabs.mjs';

const FOLDER = fileURLToPath(new URL('./shots/', import.meta.url));
const NARROW = { viewport: { width: 390, height: 844 } };

export const shots = ['light', 'dark'].map((scheme) => [`pictures of the pages, ${scheme}`, async (tabs) => {
  mkdirSync(FOLDER, { recursive: true });
  const look = { colorScheme: scheme };
  const shoot = (page, name) => page.screenshot({ path: `${FOLDER}${name}-${scheme}.png` });

  await shoot(await tabs.open('/', look), 'index');
  await shoot(await tabs.open('/', { ...look, ...NARROW }), 'index-narrow');
  await shoot(await tabs.open('/chat', look), 'chat-entrance');

  const bob = await tabs.chat('Bob');
  const chiara = await tabs.chat('Chiara');
  const ann = await tabs.chat('Ann', look);
  const phone = await tabs.chat('Dmitri', { ...look, ...NARROW });
  await systemLine(ann, 'Dmitri joined').waitFor();
  const talk = [
    [bob, 'Bob', 'Has anyone tried the 16 MiB echo yet?'],
    [chiara, 'Chiara', 'Yes, comes back byte for byte. Then I sent 4096 fragments of one byte each, for good measure.'],
    [chiara, 'Chiara', 'Also fine.'],
    [ann, 'Ann', 'Nice. I killed the server in the middle of it and the page was back a second later.'],
    [bob, 'Bob', 'const socket = new WebSocket("/echo", "echo.v1");\nsocket.onmessage = ({ data }) => console.log(data);'],
    [ann, 'Ann', 'That is all it takes?'],
    [bob, 'Bob', 'That is all it takes.'],
  ];
  for (const [page, name, text] of talk) {
    await say(page, text);
    await hears(ann, page === ann ? 'You' : name, text);
    await hears(phone, name, text);
  }
  await ann.getByLabel('Create or join a room').fill('rust');
  await ann.getByLabel('Create or join a room').press('Enter');
  await ann.getByRole('heading', { name: 'rust' }).waitFor();
  await ann.getByRole('button', { name: /^Lobby/ }).click();
  await ann.locator('#composer:enabled').waitFor();
  await shoot(ann, 'chat');
  await shoot(phone, 'chat-narrow');
  await phone.getByRole('button', { name: /^Rooms/ }).click();
  await shoot(phone, 'chat-narrow-rooms');

  const pages = [await tabs.open('/stocks', look), await tabs.open('/stocks', { ...look, ...NARROW })];
  for (const page of pages) await until('a curve', () => page.texts.length > 60);
  await shoot(pages[0], 'ticker');
  await shoot(pages[1], 'ticker-narrow');
}]);

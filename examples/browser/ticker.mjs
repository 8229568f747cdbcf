// The ticker page.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connected, until } from './tabs.mjs';

const SYMBOLS = ['AAPL', 'GOOGL', 'MSFT', 'TSLA', 'AMZN'];

export const tickerTests = [
  ['ticker rows appear, change and are coloured', async (tabs) => {
    const page = await tabs.open('/stocks');
    await connected(page);
    await page.locator('#rows tr').nth(4).waitFor();
    assert.deepEqual(await page.locator('#rows th').evaluateAll((heads) => heads.map((head) => head.firstChild.data)), SYMBOLS);
    for (const row of await page.locator('#rows tr').all()) {
      assert.match(await row.locator('.price').innerText(), /^[\d,]+\.\d\d$/);
      assert.match(await row.locator('.change').innerText(), /^[+−]?\d+\.\d\d\s[+−]?\d+\.\d\d %$/);
      assert.match(await row.locator('.volume').innerText(), /^\d{1,3}(,\d{3})*$/);
    }

    const before = await page.locator('#rows tr').first().innerText();
    await page.waitForFunction((before) => document.querySelector('#rows tr').innerText !== before, before);
    await page.waitForFunction(() => document.querySelectorAll('#rows .spark polyline')[0].points.numberOfItems > 2);
    await page.locator('#rows .tick-up, #rows .tick-down').first().waitFor();

    // One look at the page, so that sign and colour are of the same moment.
    const looks = await page.waitForFunction(() => {
      const rows = [...document.querySelectorAll('#rows tr')].map((row) => ({
        sign: row.querySelector('.change span').textContent[0],
        colour: getComputedStyle(row.querySelector('.change')).color.match(/\d+/g).map(Number),
      }));
      return rows.some(({ sign }) => sign === '+' || sign === '−') && rows;
    }).then((handle) => handle.jsonValue());
    for (const { sign, colour: [red, green] } of looks) {
      if (sign === '+') assert.ok(green > red, 'a rise is green');
      if (sign === '−') assert.ok(red > green, 'a fall is red');
    }
    await page.locator('#rate', { hasText: /^[\d.]+ messages\/s$/ }).waitFor();
  }],

  ['both signs are coloured and signed', async (tabs) => {
    const page = await tabs.open('/stocks');
    // The market may well be all up or all down today: the page's own row, given one quote of each kind.
    const rows = await page.evaluate(async () => {
      const { QuoteRow } = await import('/assets/ticker-row.js');
      return [0.5, -0.42, 0].map((change) => {
        const row = new QuoteRow('TEST', '', () => {});
        document.getElementById('rows').append(row.element);
        row.take({ price: 187.5, change, volume: 1024000 });
        row.draw();
        const cell = row.element.querySelector('.change');
        return [cell.firstChild.textContent, row.element.querySelector('.volume').textContent, getComputedStyle(cell).color];
      });
    });
    assert.deepEqual(rows.map(([change]) => change), ['+0.50', '−0.42', '0.00']);
    assert.equal(rows[0][1], '1,024,000');
    assert.equal(new Set(rows.map(([, , colour]) => colour)).size, 3, 'three colours');
  }],

  ['unsubscribe stops the quotes, subscribe brings them back', async (tabs) => {
    const page = await tabs.open('/stocks');
    await page.locator('#rows tr').nth(4).waitFor();
    const chip = page.getByRole('button', { name: 'AAPL', exact: true });
    assert.equal(await chip.getAttribute('aria-pressed'), 'true');
    await chip.click();
    await page.locator('#rows tr[data-symbol="AAPL"]').waitFor({ state: 'detached' });
    assert.equal(await chip.getAttribute('aria-pressed'), 'false');

    // The error is the reply to the next message: after it there is no quote of AAPL any more.
    await page.getByLabel('Another symbol').fill('nosuch');
    await page.getByRole('button', { name: 'Subscribe', exact: true }).click();
    await page.locator('#notice-text', { hasText: 'NOSUCH' }).waitFor();
    await page.getByRole('button', { name: 'NOSUCH', exact: true }).waitFor({ state: 'detached' });
    const barrier = page.texts.findIndex((text) => JSON.parse(text).type === 'error');
    const after = () => page.texts.slice(barrier + 1).map((text) => JSON.parse(text).symbol);
    await until('quotes of the others', () => ['GOOGL', 'MSFT', 'TSLA', 'AMZN'].every((symbol) => after().filter((each) => each === symbol).length >= 3));
    assert.ok(!after().includes('AAPL'), 'a quote of AAPL after unsubscribe');
    assert.equal(await page.locator('#rows tr').count(), 4);

    await chip.click();
    await page.locator('#rows tr[data-symbol="AAPL"]').waitFor();
    await until('quotes of AAPL', () => after().filter((each) => each === 'AAPL').length >= 2);
    await page.getByRole('button', { name: 'Unsubscribe AAPL' }).click();
    await page.locator('#rows tr[data-symbol="AAPL"]').waitFor({ state: 'detached' });
  }],

  ['the ticker reconnects and subscribes again to what was chosen', async (tabs, demo) => {
    const page = await tabs.open('/stocks');
    await page.locator('#rows tr').nth(4).waitFor();
    await page.getByRole('button', { name: 'TSLA', exact: true }).click();
    tabs.allowOffline();
    await demo.stop();
    await page.locator('#connection[data-state="waiting"]', { hasText: /Reconnecting in \d+ s/ }).waitFor();
    assert.equal(await page.locator('#rows tr').count(), 4, 'the last quotes stay on the page');
    await demo.startAgain();
    await connected(page);
    const from = page.texts.length;
    const fresh = () => new Set(page.texts.slice(from).map((text) => JSON.parse(text).symbol).filter(Boolean));
    await until('quotes of the four', () => fresh().size >= 4);
    assert.deepEqual([...fresh()].sort(), ['AAPL', 'AMZN', 'GOOGL', 'MSFT']);
  }],

  ['without a symbol the connection stays', async (tabs) => {
    const page = await tabs.open('/stocks');
    await page.clock.install();
    await page.reload();
    await connected(page);
    for (const symbol of SYMBOLS) await page.getByRole('button', { name: symbol, exact: true }).click();
    await page.locator('#empty', { hasText: 'Choose a symbol' }).waitFor();
    const answers = () => page.texts.filter((text) => JSON.parse(text).type === 'symbols').length;
    const before = answers();
    await page.clock.fastForward(31_000);
    await until('an answer to the probe', () => answers() > before);
    await page.clock.fastForward(11_000);
    assert.equal(await page.locator('#connection').getAttribute('data-state'), 'open');
  }],

  ['symbols that nobody here knows: those that there are are offered', async (tabs, demo) => {
    const dir = mkdtempSync(join(tmpdir(), 'sansws-'));
    const file = join(dir, 'day.csv');
    writeFileSync(file, 'Seconds,Symbol,Price,Volume\n0,xyz,10.5,100\n0,ABC,2,1\n');
    const replayed = await demo.another('--replay', file);
    const there = tabs.of(replayed);
    try {
      const page = await there.open('/stocks');
      await page.locator('#notice-text', { hasText: 'There are: XYZ, ABC' }).waitFor();
      const chips = page.locator('#chips button');
      assert.deepEqual(await chips.allInnerTexts(), ['XYZ', 'ABC']);
      await chips.first().click();
      await page.locator('#rows tr[data-symbol="XYZ"]').waitFor();
      there.assertQuiet();
    } finally {
      await there.close();
      await replayed.stop();
      rmSync(dir, { recursive: true });
    }
  }],
];

// One row of the ticker: symbol, sparkline, price, change, volume.

const SPARK_POINTS = 90; // quotes kept
const SPARK_FEWEST = 30; // quotes from which the curve fills its width
const SPARK_WIDTH = 128;
const SPARK_HEIGHT = 36;
const SVG = 'http://www.w3.org/2000/svg';

const money = new Intl.NumberFormat('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

export class QuoteRow {
  quote = null; // the last one
  element = document.createElement('tr');
  #points = [];
  #drawn = null; // the price on the page
  #cells = {};

  /** `onRemove` is called by the row's own button. */
  constructor(symbol, name, onRemove) {
    this.symbol = symbol;
    this.element.dataset.symbol = symbol;

    const head = this.#cell('th', 'symbol');
    head.scope = 'row';
    head.textContent = symbol;
    if (name) head.append(Object.assign(document.createElement('small'), { textContent: name }));

    const spark = document.createElementNS(SVG, 'svg');
    spark.setAttribute('class', 'spark');
    spark.setAttribute('viewBox', `0 0 ${SPARK_WIDTH} ${SPARK_HEIGHT}`);
    spark.setAttribute('preserveAspectRatio', 'none');
    spark.setAttribute('aria-hidden', 'true');
    this.#cells.area = spark.appendChild(document.createElementNS(SVG, 'polygon'));
    this.#cells.curve = spark.appendChild(document.createElementNS(SVG, 'polyline'));
    this.#cell('td', 'trend').append(spark);

    this.#cells.amount = this.#cell('td', 'price number').appendChild(document.createElement('span'));
    const change = this.#cell('td', 'change number');
    this.#cells.absolute = change.appendChild(document.createElement('span'));
    this.#cells.relative = change.appendChild(document.createElement('small'));
    this.#cells.volume = this.#cell('td', 'volume number');

    const remove = document.createElement('button');
    remove.type = 'button';
    remove.className = 'remove';
    remove.textContent = '×';
    remove.title = 'Unsubscribe';
    remove.setAttribute('aria-label', `Unsubscribe ${symbol}`);
    remove.addEventListener('click', onRemove);
    this.#cell('td', 'tools').append(remove);
  }

  /** Keeps a quote; the page changes with the next `draw`. */
  take(quote) {
    this.quote = quote;
    this.#points.push(quote.price);
    if (this.#points.length > SPARK_POINTS) this.#points.shift();
  }

  draw() {
    const { price, change, volume } = this.quote;
    const open = price - change;
    this.#cells.amount.textContent = money.format(price);
    this.#cells.absolute.textContent = signed(change);
    this.#cells.relative.textContent = open > 0 ? `${signed(100 * change / open)} %` : '';
    this.#cells.volume.textContent = whole.format(volume);
    this.element.classList.toggle('up', change > 0);
    this.element.classList.toggle('down', change < 0);
    this.#drawSpark();
    if (this.#drawn !== null && price !== this.#drawn) this.#flash(price > this.#drawn ? 'tick-up' : 'tick-down');
    this.#drawn = price;
  }

  #flash(className) {
    this.element.classList.remove('tick-up', 'tick-down');
    void this.element.offsetWidth; // lets the same animation start again
    this.element.classList.add(className);
  }

  #drawSpark() {
    const low = Math.min(...this.#points);
    const range = Math.max(...this.#points) - low;
    const step = SPARK_WIDTH / (Math.max(SPARK_FEWEST, this.#points.length) - 1);
    const y = (price) => (range ? 3 + (SPARK_HEIGHT - 6) * (1 - (price - low) / range) : SPARK_HEIGHT / 2);
    const left = SPARK_WIDTH - (this.#points.length - 1) * step; // the newest is at the right edge
    const points = this.#points.map((price, at) => `${(left + at * step).toFixed(1)},${y(price).toFixed(1)}`).join(' ');
    this.#cells.curve.setAttribute('points', points);
    this.#cells.area.setAttribute('points', `${left.toFixed(1)},${SPARK_HEIGHT} ${points} ${SPARK_WIDTH},${SPARK_HEIGHT}`);
  }

  #cell(tag, className) {
    const cell = document.createElement(tag);
    cell.className = className;
    this.element.append(cell);
    return cell;
  }
}

/** `+0.42` or `−0.42`: the direction is in the sign, and only then in the colour. */
function signed(value) {
  const digits = money.format(Math.abs(value));
  if (value > 0) return `+${digits}`;
  return value < 0 ? `−${digits}` : digits;
}

// The connection badge of the top bar: the state in words, a countdown to the next attempt, a button to try now.

const WORDS = { closed: 'Not connected', connecting: 'Connecting…', open: 'Connected', waiting: 'Cannot connect.' };
const WORDS_AFTER_LOSS = { ...WORDS, connecting: 'Reconnecting…', waiting: 'Connection lost.' };

/** Returns `show(state, retryAt)`. `onRetry` is called when the person does not want to wait. */
export function connectionBadge(element, onRetry) {
  const words = element.querySelector('[role="status"]');
  const countdown = element.querySelector('.countdown');
  const retry = element.querySelector('button');
  let timer = 0;
  let wasOpen = false;
  retry.addEventListener('click', onRetry);

  return function show(state, retryAt) {
    clearInterval(timer);
    if (state === 'open') wasOpen = true;
    if (state === 'closed') wasOpen = false;
    element.dataset.state = state;
    // The countdown is outside the live region: a screen reader says the state once, not every second.
    words.textContent = (wasOpen ? WORDS_AFTER_LOSS : WORDS)[state];
    countdown.textContent = '';
    retry.hidden = state === 'open' || state === 'connecting';
    retry.textContent = state === 'closed' ? 'Connect' : 'Try now';
    if (state !== 'waiting') return;
    const tick = () => {
      const seconds = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
      countdown.textContent = `Reconnecting in ${seconds} s`;
    };
    tick();
    timer = setInterval(tick, 250);
  };
}

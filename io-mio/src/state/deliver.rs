//! Messages that go to others than the connection whose turn it is.

use std::slice;
use std::time::Instant;

use bytes::Bytes;
use sansws::SendError;

use crate::conn::peer_id::PeerId;
use crate::conn::sending::{Delivered, Sending};
use crate::conn::shared_frame::SharedFrame;
use crate::hub::command::Command;
use crate::state::shared::Shared;
use crate::state::slots::{Phase, Slot, Slots};

/// Consecutive publications under one name are joined up to this size, in bytes.
const BATCH: usize = 64 << 10;

/// To write each subscriber this much, in bytes, is mostly a system call.
const LITTLE: u32 = 4 << 10;

/// Called for each connection that was written all of a batch, outside of its turn.
type Written<'a, S> = &'a mut dyn FnMut(&mut Slot<S>, &mut Shared<S>);

/// Carries out, in order, what callbacks asked for about other connections.
///
/// With `written` nobody else waits for a turn of the loop: if what was asked for is one batch of
/// publications, it is written at once. Otherwise all is queued, so that what comes later is
/// written with it.
pub(crate) fn run_deferred<S>(
    slots: &mut Slots<S>,
    shared: &mut Shared<S>,
    mut written: Option<Written<'_, S>>,
) {
    while let Some(command) = shared.deferred.pop_front() {
        // What is published in `written` is queued.
        let written = written.take();
        match command {
            Command::Publish { topic, frame, except } => {
                let mut frames = std::mem::take(&mut shared.frames);
                let bytes = join(&mut frames, &topic, frame, except, shared);
                // More may be to come for some of the subscribers.
                let written = written.filter(|_| shared.deferred.is_empty());
                let batch = Batch { topic: &topic, frames: &frames, bytes, except };
                publish(slots, shared, &batch, written);
                frames.clear();
                shared.frames = frames;
            }
            command => drop(run(slots, shared, command)),
        }
    }
}

/// Takes what follows for the same subscribers off the deferred commands. Returns all frames as a
/// server sends them.
fn join<S>(
    frames: &mut Vec<SharedFrame>,
    topic: &str,
    first: SharedFrame,
    except: Option<PeerId>,
    shared: &mut Shared<S>,
) -> Bytes {
    let mut len = first.bytes().len();
    frames.push(first);
    while let Some(Command::Publish { topic: next, frame, except: next_except }) = shared.deferred.front() {
        len += frame.bytes().len();
        if **next != *topic || *next_except != except || len > BATCH {
            break;
        }
        frames.push(frame.clone());
        shared.deferred.pop_front();
    }
    if let [frame] = &frames[..] {
        return frame.bytes().clone();
    }
    let mut bytes = Vec::with_capacity(frames.iter().map(|frame| frame.bytes().len()).sum());
    frames.iter().for_each(|frame| bytes.extend_from_slice(frame.bytes()));
    bytes.into()
}

/// Carries out a command and tells how much work it was: how many connections it concerned, at
/// least 1.
pub(crate) fn run<S>(slots: &mut Slots<S>, shared: &mut Shared<S>, command: Command) -> usize {
    match command {
        Command::Publish { topic, frame, except } => {
            return publish_here(slots, shared, &topic, &frame, except).max(1);
        }
        Command::Send { peer, frame } => {
            // Whatever is wrong has been dealt with; the sender is elsewhere by now.
            let _ = with(slots.get_peer(peer), shared, |sending| sending.deliver(&frame));
        }
        Command::Close { peer, code, reason } => {
            let close = |sending: &mut Sending<'_>| sending.close(code, &reason, None);
            let _ = with(slots.get_peer(peer), shared, close);
        }
        // That is for the connection's own turn.
        Command::Decide { .. } => {}
    }
    1
}

/// Gives a message to the subscribers of a topic on this loop, and tells how many they are.
pub(crate) fn publish_here<S>(
    slots: &mut Slots<S>,
    shared: &mut Shared<S>,
    topic: &str,
    frame: &SharedFrame,
    except: Option<PeerId>,
) -> usize {
    let batch = Batch { topic, frames: slice::from_ref(frame), bytes: frame.bytes().clone(), except };
    publish(slots, shared, &batch, None)
}

/// Messages that were published one after the other under the same name.
struct Batch<'a> {
    topic: &'a str,
    frames: &'a [SharedFrame],
    /// All frames as a server sends them.
    bytes: Bytes,
    except: Option<PeerId>,
}

/// Delivers a batch to the subscribers of its topic on this loop, and tells how many they are.
fn publish<S>(
    slots: &mut Slots<S>,
    shared: &mut Shared<S>,
    batch: &Batch<'_>,
    mut written: Option<Written<'_, S>>,
) -> usize {
    let mut receivers = std::mem::take(&mut shared.receivers);
    receivers.extend(shared.topics.subscribers(batch.topic));
    let count = receivers.len();
    let began = written.is_some().then(Instant::now);
    // Those that cannot take the batch as it is stay in the list.
    receivers.retain(|&index| {
        let receiver = slots.get_mut(index).filter(|slot| Some(slot.id) != batch.except);
        let Some(slot) = receiver else { return false };
        let Slot { id, link, edges, phase: Phase::Open(open), .. } = &mut *slot else { return false };
        let conn = &mut open.wake(&mut shared.engines).0.conn;
        let gathering = &mut shared.gathering;
        let mut sending = Sending { id: *id, conn, link, wire: edges, gathering, in_turn: false };
        let delivered = sending.deliver_all(batch.frames.len(), &batch.bytes, written.is_some());
        if let (Delivered::Written, Some(written)) = (delivered, &mut written) {
            written(slot, shared);
        }
        slot.rest(&mut shared.engines);
        delivered == Delivered::NotAsItIs
    });
    if let (Some(began), Ok(len @ 1..)) = (began, u32::try_from(batch.bytes.len())) {
        // Half of the bytes would have taken as long, as far as it was for system calls.
        shared.undivided += began.elapsed() * LITTLE.min(len) / len;
    }
    for index in receivers.drain(..) {
        for frame in batch.frames {
            // A slow or closing receiver is not the publisher's affair.
            let _ = with(slots.get_mut(index), shared, |sending| sending.deliver(frame));
        }
    }
    shared.receivers = receivers;
    count
}

/// Has the connection rest that the application was lent last.
pub(crate) fn take_back<S>(slots: &mut Slots<S>, shared: &mut Shared<S>) {
    if let Some(slot) = shared.lent.take().and_then(|index| slots.get_mut(index)) {
        slot.rest(&mut shared.engines);
    }
}

/// What is sent here is queued, even for the connection whose turn it is: it comes behind its own
/// output.
fn with<S>(
    slot: Option<&mut Slot<S>>,
    shared: &mut Shared<S>,
    send: impl FnOnce(&mut Sending<'_>) -> Result<(), SendError>,
) -> Result<(), SendError> {
    let Some(Slot { id, link, edges, phase: Phase::Open(open), .. }) = slot else {
        return Err(SendError::NotOpen);
    };
    let Shared { gathering, engines, .. } = shared;
    let conn = &mut open.wake(engines).0.conn;
    let sent = send(&mut Sending { id: *id, conn, link, wire: edges, gathering, in_turn: false });
    open.rest(engines);
    sent
}

//! Messages that go to others than the connection whose turn it is.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use sansws::SendError;

use crate::conn::gathering::Gathering;
use crate::conn::peer_id::PeerId;
use crate::conn::sending::Sending;
use crate::conn::shared_frame::SharedFrame;
use crate::hub::command::Command;
use crate::state::shared::Shared;
use crate::state::slots::{Phase, Slot, Slots};

/// What follows one another to the same subscribers is delivered together up to this size, in
/// bytes.
const BATCH: usize = 64 << 10;

/// To give each subscriber this little, in bytes, takes mostly a system call: half of it would
/// take as long.
const LITTLE: usize = 4 << 10;

/// Carries out, in order, what callbacks asked for about other connections. All of it is queued.
pub(crate) fn run_deferred<S>(slots: &mut Slots<S>, shared: &mut Shared<S>) {
    run_deferred_as(slots, shared, &mut None::<fn(&mut Slot<S>, &mut Shared<S>)>);
}

/// The same where nobody else waits for a turn of the loop: if it is messages for one topic and
/// nothing else, they are written at once. `written` is called for each connection that took all.
pub(crate) fn run_deferred_at_once<S>(
    slots: &mut Slots<S>,
    shared: &mut Shared<S>,
    written: impl FnMut(&mut Slot<S>, &mut Shared<S>),
) {
    run_deferred_as(slots, shared, &mut Some(written));
}

fn run_deferred_as<S>(
    slots: &mut Slots<S>,
    shared: &mut Shared<S>,
    at_once: &mut Option<impl FnMut(&mut Slot<S>, &mut Shared<S>)>,
) {
    let mut is_first = true;
    while let Some(command) = shared.deferred.pop_front() {
        if let Command::Publish { topic, frame, except } = command {
            let batch = Batch::new(topic, frame, except, shared);
            if is_first && shared.deferred.is_empty() {
                let began = Instant::now();
                publish(slots, shared, &batch, at_once);
                if batch.bytes.len() <= LITTLE {
                    shared.undivided += began.elapsed();
                }
            } else {
                // More has come for some of them, perhaps, or is to come.
                *at_once = None;
                publish(slots, shared, &batch, at_once);
            }
        } else {
            run(slots, shared, command);
        }
        is_first = false;
        // What is published in `written` is queued.
        *at_once = None;
    }
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
            let _ = with(slots.get_peer(peer), &mut shared.gathering, |sending| sending.deliver(&frame));
        }
        Command::Close { peer, code, reason } => {
            let close = |sending: &mut Sending<'_>| sending.close(code, &reason, None);
            let _ = with(slots.get_peer(peer), &mut shared.gathering, close);
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
    let batch =
        Batch { topic: topic.into(), bytes: frame.bytes().clone(), frames: vec![frame.clone()], except };
    publish(slots, shared, &batch, &mut None::<fn(&mut Slot<S>, &mut Shared<S>)>)
}

/// Messages that were published one after the other under the same name.
struct Batch {
    topic: Arc<str>,
    frames: Vec<SharedFrame>,
    /// All frames as a server sends them.
    bytes: Bytes,
    except: Option<PeerId>,
}

impl Batch {
    /// Takes what follows `first` for the same subscribers off the deferred commands.
    fn new<S>(topic: Arc<str>, first: SharedFrame, except: Option<PeerId>, shared: &mut Shared<S>) -> Self {
        let (mut frames, mut len) = (vec![first], 0);
        while let Some(Command::Publish { topic: next_topic, frame, except: next_except }) =
            shared.deferred.front()
        {
            len += frame.bytes().len();
            if *next_topic != topic || *next_except != except || len > BATCH {
                break;
            }
            frames.push(frame.clone());
            shared.deferred.pop_front();
        }
        let bytes = match &frames[..] {
            [frame] => frame.bytes().clone(),
            frames => frames.iter().flat_map(|frame| frame.bytes().iter().copied()).collect(),
        };
        Self { topic, frames, bytes, except }
    }
}

/// Delivers a batch to the subscribers of its topic on this loop, and tells how many they are.
fn publish<S>(
    slots: &mut Slots<S>,
    shared: &mut Shared<S>,
    batch: &Batch,
    at_once: &mut Option<impl FnMut(&mut Slot<S>, &mut Shared<S>)>,
) -> usize {
    let mut receivers = std::mem::take(&mut shared.receivers);
    receivers.extend(shared.topics.subscribers(&batch.topic));
    let count = receivers.len();
    for index in receivers.drain(..) {
        let receiver = slots.get_mut(index).filter(|slot| Some(slot.id) != batch.except);
        let Some(slot) = receiver else { continue };
        let Slot { id, link, edges, phase: Phase::Open(open), .. } = &mut *slot else { continue };
        let (conn, gathering) = (&mut open.conn, &mut shared.gathering);
        let mut sending = Sending { id: *id, conn, link, wire: edges, gathering, in_turn: false };
        let is_written = sending.deliver_all(&batch.frames, &batch.bytes, at_once.is_some());
        if let (true, Some(written)) = (is_written, &mut *at_once) {
            written(slot, shared);
        }
    }
    shared.receivers = receivers;
    count
}

/// What is sent here is queued, even for the connection whose turn it is: it comes behind its own
/// output.
fn with<S>(
    slot: Option<&mut Slot<S>>,
    gathering: &mut Gathering,
    send: impl FnOnce(&mut Sending<'_>) -> Result<(), SendError>,
) -> Result<(), SendError> {
    let Some(Slot { id, link, edges, phase: Phase::Open(open), .. }) = slot else {
        return Err(SendError::NotOpen);
    };
    send(&mut Sending { id: *id, conn: &mut open.conn, link, wire: edges, gathering, in_turn: false })
}

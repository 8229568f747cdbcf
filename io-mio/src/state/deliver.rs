//! Messages that go to others than the connection whose turn it is.

use sansws::SendError;

use crate::conn::gathering::Gathering;
use crate::conn::peer_id::PeerId;
use crate::conn::sending::Sending;
use crate::conn::shared_frame::SharedFrame;
use crate::hub::command::Command;
use crate::state::shared::Shared;
use crate::state::slots::{Phase, Slot, Slots};

/// Carries out, in order, what callbacks asked for about other connections.
pub(crate) fn run_deferred<S>(slots: &mut Slots<S>, shared: &mut Shared<S>) {
    while let Some(command) = shared.deferred.pop_front() {
        run(slots, shared, command);
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
    let mut receivers = std::mem::take(&mut shared.receivers);
    receivers.extend(shared.topics.subscribers(topic));
    let count = receivers.len();
    for index in receivers.drain(..) {
        let receiver = slots.get_mut(index).filter(|slot| Some(slot.id) != except);
        // A slow or closing receiver is not the publisher's affair.
        let _ = with(receiver, &mut shared.gathering, |sending| sending.deliver(frame));
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

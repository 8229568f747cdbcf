//! The protocol state of open connections, in full only while it is needed.
//!
//! Between two messages a connection has nothing to keep but which end it is and its limits, and
//! most connections have these in common. So it rests: all it keeps is a number, and its engine
//! serves the next one whose turn it is.

use sansws::{Assembler, Config, Connection, Role};

use crate::random;

/// So many engines without a connection are kept. A turn needs one.
const SPARE: usize = 16;

/// The protocol state of one connection.
pub(crate) struct Engine {
    kind: Kind,
    pub(crate) conn: Connection,
    pub(crate) assembler: Assembler,
}

/// What resting connections have in common, by number. The last one is of those that do not rest,
/// since there are too many kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind(u8);

/// The engines of a loop that no connection needs at present.
#[derive(Default)]
pub(crate) struct Engines {
    kinds: Vec<(Role, Config)>,
    #[expect(clippy::vec_box, reason = "a connection takes the box")]
    spare: Vec<Box<Engine>>,
}

impl Kind {
    const RESTLESS: Self = Self(u8::MAX);

    #[inline]
    fn rests(self) -> bool {
        self != Self::RESTLESS
    }
}

impl Engines {
    /// The engine of a connection that has just been opened.
    pub(crate) fn run(&mut self, conn: Connection) -> Box<Engine> {
        let kind = self.kind_of(&conn);
        match self.spare.pop() {
            Some(mut engine) => {
                (engine.kind, engine.conn) = (kind, conn);
                engine
            }
            None => Box::new(Engine { kind, conn, assembler: Assembler::new() }),
        }
    }

    fn kind_of(&mut self, conn: &Connection) -> Kind {
        let kind = (conn.role(), *conn.config());
        let known = self.kinds.iter().position(|known| *known == kind);
        let index = known.unwrap_or_else(|| {
            if self.kinds.len() < usize::from(Kind::RESTLESS.0) {
                self.kinds.push(kind);
                self.kinds.len() - 1
            } else {
                usize::from(Kind::RESTLESS.0)
            }
        });
        Kind(index as u8)
    }

    /// An engine for a connection of this kind that rested.
    #[inline]
    pub(crate) fn wake(&mut self, kind: Kind) -> Box<Engine> {
        match self.spare.iter().rposition(|engine| engine.kind == kind) {
            // Idle, and so as good as new.
            Some(index) => self.spare.swap_remove(index),
            None => self.set_up(kind),
        }
    }

    #[cold]
    fn set_up(&mut self, kind: Kind) -> Box<Engine> {
        let conn = match self.kinds.get(usize::from(kind.0)) {
            Some((Role::Client, config)) => Connection::client(config, random::masking_key),
            Some((Role::Server, config)) => Connection::server(config),
            // It never rested.
            None => Connection::server(&Config::default()),
        };
        self.run(conn)
    }

    /// Takes the engine of a connection that rests.
    #[inline]
    pub(crate) fn put_back(&mut self, engine: Box<Engine>) {
        if self.spare.len() < SPARE {
            self.spare.push(engine);
        }
    }
}

impl Engine {
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether nothing is in progress and nothing is owed.
    #[inline]
    pub(crate) fn can_rest(&self) -> bool {
        self.kind.rests() && self.conn.is_idle() && self.assembler.capacity() == 0
    }
}

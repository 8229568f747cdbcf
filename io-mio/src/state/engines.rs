//! The protocol state of open connections, in full only while it is needed.
//!
//! Between two messages a connection has nothing to keep but which end it is and its limits, and
//! most connections have these in common. So it rests: all it keeps is a number, and its engine
//! serves the next one whose turn it is.

use sansws::{Assembler, Config, Connection, Role};

use crate::random;

/// So many engines without a connection are kept: more are awake at a time only if publishing
/// finds them so.
const SPARE: usize = 16;

/// The protocol state of one connection.
pub(crate) struct Engine {
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
    pub(crate) fn rests(self) -> bool {
        self != Self::RESTLESS
    }
}

impl Engines {
    /// The kind of a connection that has just been opened.
    pub(crate) fn kind_of(&mut self, conn: &Connection) -> Kind {
        let kind = (conn.role(), *conn.config());
        let index = self.kinds.iter().position(|known| *known == kind).unwrap_or_else(|| {
            if self.kinds.len() < usize::from(Kind::RESTLESS.0) {
                self.kinds.push(kind);
                self.kinds.len() - 1
            } else {
                usize::from(Kind::RESTLESS.0)
            }
        });
        Kind(index as u8)
    }

    /// An engine for this connection.
    pub(crate) fn run(&mut self, conn: Connection) -> Box<Engine> {
        match self.spare.pop() {
            Some(mut engine) => {
                engine.conn = conn;
                engine
            }
            None => Box::new(Engine { conn, assembler: Assembler::new() }),
        }
    }

    /// An engine for a connection of this kind that rested.
    pub(crate) fn wake(&mut self, kind: Kind) -> Box<Engine> {
        let conn = match self.kinds.get(usize::from(kind.0)) {
            Some((Role::Client, config)) => Connection::client(config, random::masking_key),
            Some((Role::Server, config)) => Connection::server(config),
            // It never rested.
            None => Connection::server(&Config::default()),
        };
        self.run(conn)
    }

    /// Takes the engine of a connection that can rest, or has ended.
    pub(crate) fn put_back(&mut self, mut engine: Box<Engine>) {
        if self.spare.len() < SPARE {
            engine.assembler = Assembler::new();
            self.spare.push(engine);
        }
    }
}

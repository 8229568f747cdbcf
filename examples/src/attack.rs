//! Attacks on a running `demo`, which must not only survive them but serve its other clients meanwhile.
//!
//! The program starts the demo itself, on loopback and on a port of its own; each attack is bounded in count and in time. Whether it was
//! borne is a matter of outcomes, of memory and of connections left over; of time only as far as well-behaved clients must not wait for long.

mod bursts;
mod client;
mod close_codes;
mod command_line;
mod demo;
mod fragments;
mod injection;
mod lengths;
mod long_heads;
mod markdown;
mod origins;
mod pings;
mod readers;
mod report;
mod resets;
mod scene;
mod silent;
mod slow;
mod swarm;
mod violations;
mod well_behaved;
mod wire;

use std::fs::OpenOptions;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use command_line::Options;
use report::{Findings, Line};
use scene::{Scale, Scene};
use swarm::Swarm;

/// Files of this program that are not connections of an attack, and connections of the attack that goes on alongside.
const OTHER_FILES: u64 = 256;

/// One attack.
struct Attack {
    name: &'static str,
    about: &'static str,
    /// How much more memory than before the server may use, in MiB, and why so much.
    allowed_mib: u64,
    why: &'static str,
    run: Run,
}

enum Run {
    /// One after the other.
    Now(fn(&Scene) -> Result<Findings, String>),
    /// From the beginning to the end of all others, on a server of its own.
    Alongside {
        begin: fn(&Scene) -> Result<Swarm, String>,
        end: fn(&Scene, Swarm, Instant) -> Result<Findings, String>,
    },
}

static ATTACKS: [Attack; 18] = [
    Attack {
        name: "slow-handshake",
        about: "2 000 connections that send a request a byte a second",
        allowed_mib: 8,
        why: "2 000 x (a slot and the part of a head, below 2 KiB), and the same again for the allocator",
        run: Run::Now(slow::handshake),
    },
    Attack {
        name: "slow-frames",
        about: "2 000 open connections that send a message a byte a second",
        allowed_mib: 8,
        why: "2 000 x (a slot and the part of a message, below 2 KiB), and the same again for the allocator",
        run: Run::Now(slow::frames),
    },
    Attack {
        name: "long-head",
        about: "heads of 64 KiB, in single bytes and at once",
        allowed_mib: 4,
        why: "32 x 16 KiB, where the server stops",
        run: Run::Now(long_heads::byte_by_byte),
    },
    Attack {
        name: "crowded-head",
        about: "2 000 headers, endless extensions, pipelined requests, what is not HTTP",
        allowed_mib: 8,
        why: "200 connections at a time x 32 KiB",
        run: Run::Now(long_heads::crowded),
    },
    Attack {
        name: "injection",
        about: "CR, LF, NUL and their like in paths, names and values; folded headers",
        allowed_mib: 4,
        why: "200 connections at a time",
        run: Run::Now(injection::line_ends),
    },
    Attack {
        name: "foreign-origin",
        about: "pages of other origins, and of such as look like our own",
        allowed_mib: 4,
        why: "200 connections at a time",
        run: Run::Now(origins::foreign),
    },
    Attack {
        name: "violations",
        about: "frames with reserved bits and opcodes, unmasked, cut wrongly, text that is not UTF-8",
        allowed_mib: 4,
        why: "200 connections at a time",
        run: Run::Now(violations::all),
    },
    Attack {
        name: "declared-length",
        about: "frames that say they have up to 2^64-1 bytes, alone and amid a fragmented message",
        allowed_mib: 4,
        why: "nothing is allocated for what is only declared",
        run: Run::Now(lengths::declared),
    },
    Attack {
        name: "fragments",
        about: "a million continuations of a message, empty and of a byte",
        allowed_mib: 8,
        why: "what is collected has 131 072 bytes at most, on 24 connections",
        run: Run::Now(fragments::without_number),
    },
    Attack {
        name: "unfinished-burst",
        about: "bursts of connections that begin large messages and go",
        allowed_mib: 48,
        why: "20 connections with some 17 MiB, in buffers of twice that at most; what is left has a bound of its own",
        run: Run::Now(bursts::unfinished),
    },
    Attack {
        name: "ping-flood",
        about: "a million Pings, and a million Pongs, by peers that do not read",
        allowed_mib: 4,
        why: "one Pong is owed; a queue of Pongs ends at 16 KiB",
        run: Run::Now(pings::unread),
    },
    Attack {
        name: "close-codes",
        about: "a Close frame with each status code from 0 to 5000, empty, and with half a code",
        allowed_mib: 4,
        why: "256 connections at a time",
        run: Run::Now(close_codes::all),
    },
    Attack {
        name: "resets",
        about: "20 000 connections that end with a RST at the worst moments",
        allowed_mib: 8,
        why: "256 connections at a time, some with 64 KiB unread",
        run: Run::Now(resets::everywhere),
    },
    Attack {
        name: "unread-chat",
        about: "a chat room whose members do not read, while one talks",
        allowed_mib: 32,
        why: "220 queues that end at 1 MiB and a message, which is shared, and 1 MiB for the one who talks",
        run: Run::Now(readers::chat),
    },
    Attack {
        name: "unread-ticker",
        about: "subscribers who ask for quotes again and again and do not read them",
        allowed_mib: 4,
        why: "10 queues that end at 64 KiB, in pieces whose capacity may be twice that",
        run: Run::Now(readers::ticker),
    },
    Attack {
        name: "unread-echo",
        about: "clients that have much echoed and read it late",
        allowed_mib: 48,
        why: "100 queues that end at 64 KiB and what one read of 128 KiB asks for",
        run: Run::Now(readers::echo),
    },
    Attack {
        name: "unread-pages",
        about: "requests for pages one after the other by browsers that do not read",
        allowed_mib: 8,
        why: "500 slots; pages are in the program and not copied",
        run: Run::Now(readers::pages),
    },
    Attack {
        name: "half-open",
        about: "peers that fall silent for good and do not answer Pings (about a minute, alongside the others)",
        allowed_mib: 24,
        why: "180 connections, 60 of them with up to 192 KiB queued",
        run: Run::Alongside { begin: silent::begin, end: silent::end },
    },
];

/// What came of all that was carried out.
#[derive(Default)]
struct Report {
    lines: Vec<Line>,
    /// What went wrong outside of the attacks.
    troubles: Vec<String>,
}

impl Report {
    fn is_ok(&self) -> bool {
        self.troubles.is_empty() && self.lines.iter().all(Line::is_ok)
    }

    /// Keeps a line, and prints it.
    fn add(&mut self, line: Line) {
        clear_progress();
        println!("{line}");
        self.lines.push(line);
    }

    /// Ends the server, which has to exit with 0 after all that.
    fn stop(&mut self, scene: Scene) {
        if let Err(error) = scene.stop() {
            clear_progress();
            println!("FAILED: {error}");
            self.troubles.push(error);
        }
    }
}

/// The program.
pub fn run() -> ExitCode {
    command_line::parse(std::env::args_os().skip(1)).run(|options| {
        if !cfg!(target_os = "linux") {
            return Err("memory and connections of the demo are read from /proc, which only Linux has".into());
        }
        let demo = options.demo.clone().map_or_else(beside_this_program, Ok)?;
        let scale = Scale { quick: options.quick, most_open: most_open()? };
        let cannot_write = |path: &Path, error: io::Error| format!("{}: {error}", path.display());
        if let Some(path) = &options.report {
            // Better known now than after minutes.
            OpenOptions::new().append(true).create(true).open(path).map_err(|e| cannot_write(path, e))?;
        }
        let report = attack(&demo, &options, scale)?;
        if let Some(path) = &options.report {
            let text = markdown::text(&report, &options, path);
            std::fs::write(path, text).map_err(|e| cannot_write(path, e))?;
        }
        Ok(if report.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

fn beside_this_program() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| format!("where this program is: {error}"))?;
    Ok(own.with_file_name("demo"))
}

/// Raises the limit of open files as far as that is allowed. The demo inherits it.
fn most_open() -> Result<usize, String> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    setrlimit(Resource::Nofile, raised).map_err(|error| format!("the limit of open files: {error}"))?;
    let most = limit.maximum.unwrap_or(1 << 20);
    match most.checked_sub(OTHER_FILES) {
        None | Some(0) => Err(format!("at most {most} files may be open, which is too few (ulimit -n)")),
        Some(most) => Ok(usize::try_from(most).unwrap_or(usize::MAX)),
    }
}

/// Carries out what is asked for.
fn attack(demo: &Path, options: &Options, scale: Scale) -> Result<Report, String> {
    let chosen: Vec<&Attack> = ATTACKS
        .iter()
        .filter(|attack| options.only.is_empty() || options.only.contains(&attack.name))
        .collect();
    println!("{}", Line::HEADING);
    let mut alongside = Vec::new();
    for attack in &chosen {
        if let Run::Alongside { begin, end } = attack.run {
            let mut scene = Scene::start(demo, scale)?;
            let measuring = scene.begin(attack.name, attack.allowed())?;
            let (began, swarm) = (Instant::now(), begin(&scene));
            alongside.push((attack, scene, measuring, move |scene: &Scene| end(scene, swarm?, began)));
        }
    }
    let mut report = Report::default();
    let mut scene = None;
    for attack in &chosen {
        if let Run::Now(run) = attack.run {
            let mut current = match scene.take() {
                Some(scene) => scene,
                None => Scene::start(demo, scale)?,
            };
            show_progress(attack);
            let line = current.run(attack.name, attack.allowed(), run)?;
            // After a failure the next attack begins with a server that is as it should be.
            scene = line.is_ok().then_some(current);
            report.add(line);
        }
    }
    if let Some(scene) = scene {
        report.stop(scene);
    }
    for (attack, mut scene, measuring, end) in alongside {
        show_progress(attack);
        let findings = end(&scene);
        report.add(scene.end(measuring, findings));
        report.stop(scene);
    }
    Ok(report)
}

impl Attack {
    /// In bytes.
    const fn allowed(&self) -> u64 {
        self.allowed_mib << 20
    }
}

/// Where a person looks on.
fn show_progress(attack: &Attack) {
    let mut stderr = io::stderr();
    if stderr.is_terminal() {
        let _ = write!(stderr, "\r\x1b[K{}: {} …", attack.name, attack.about);
    }
}

fn clear_progress() {
    let mut stderr = io::stderr();
    if stderr.is_terminal() {
        let _ = write!(stderr, "\r\x1b[K");
    }
}
